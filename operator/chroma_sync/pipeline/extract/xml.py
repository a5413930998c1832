"""XML as documents hold it: parsed without entities, without DTDs and without the network; names
are looked at without their namespaces, which differ between the editions of a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from lxml import etree

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused

Element: TypeAlias = etree._Element


def parse(data: bytes, what: str = "A part of it") -> Element:
    """The root of an XML document. Raises `Refused`."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise Refused(DocumentReason.MALFORMED, f"{what} is no XML.") from None
    if root is None:
        raise Refused(DocumentReason.MALFORMED, f"{what} is blank.")
    return root


def name(element: Element) -> str:
    """The name of an element, without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, wanted: str) -> str | None:
    """The value of an attribute, whatever its namespace."""
    if element is None:
        return None
    found: str | None = element.get(wanted)
    if found is None:
        named = (v for k, v in element.items() if str(k).rpartition("}")[2] == wanted)
        found = next(named, None)
    return found


def child(element: Element | None, *path: str) -> Element | None:
    """The first child of this name, and its child of the next one."""
    for wanted in path:
        if element is None:
            return None
        element = next((one for one in element if name(one) == wanted), None)
    return element


def children(element: Element | None, wanted: str) -> Iterator[Element]:
    """All children of this name."""
    return iter(()) if element is None else (one for one in element if name(one) == wanted)


def descendants(element: Element | None, *wanted: str) -> Iterator[Element]:
    """All elements of these names below another, in their order."""
    if element is not None:
        for one in element.iter(*(f"{{*}}{n}" for n in wanted)):
            if one is not element:
                yield one


def choose_alternatives(root: Element) -> None:
    """Office writes some things twice, for old and new readers: keep one of them."""
    for both in list(descendants(root, "AlternateContent")):
        choices = [*children(both, "Choice"), *children(both, "Fallback")]
        texts = ("t", "relIds", "chart", "blip", "oMath", "txbxContent", "textpath")
        best = next((c for c in choices if next(descendants(c, *texts), None) is not None), None)
        parent = both.getparent()
        if parent is None:
            continue
        place = parent.index(both)
        moved = list(best) if best is not None else []
        # What follows an element in the text is no content in these formats.
        parent.remove(both)
        for offset, one in enumerate(moved):
            parent.insert(place + offset, one)
