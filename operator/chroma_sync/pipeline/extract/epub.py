"""Electronic books (.epub): their chapters in the order of reading."""

from __future__ import annotations

import posixpath
from typing import Final
from urllib.parse import unquote

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.html import write_html
from chroma_sync.pipeline.extract.markdown import Markdown
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.extract.xml import Element, attribute, child, children, descendants
from chroma_sync.pipeline.extract.zips import Package
from chroma_sync.pipeline.text import NOTHING, Text

_OF_FONTS: Final = ("idpf.org/2008/embedding", "ns.adobe.com/pdf/enc#RC")
_PAGES: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "image/svg+xml")


def text(source: Source) -> Text:
    """The text of a book; each of its files is a part."""
    package = Package(source.file())
    _look_for_drm(package)
    book = _book(package)
    root = package.xml(book)
    if root is None:
        raise Refused(DocumentReason.MALFORMED, "It has no list of its files.")
    folder = posixpath.dirname(book)
    items = {attribute(i, "id"): i for i in descendants(root, "item")}
    out = Markdown()
    read: set[str] = set()
    for reference in descendants(child(root, "spine"), "itemref"):
        item = items.get(attribute(reference, "idref"))
        if item is None or attribute(item, "media-type") not in _PAGES:
            continue
        path = posixpath.normpath(posixpath.join(folder, unquote(attribute(item, "href") or "")))
        page = None if path in read else package.read(path)
        if page is not None:
            read.add(path)
            out.part(NOTHING)
            write_html(page, out)
    return out.text()


def _book(package: Package) -> str:
    container = package.optional_xml("META-INF/container.xml")
    for one in descendants(container, "rootfile"):
        if path := attribute(one, "full-path"):
            return path
    return next((n for n in package.names() if n.endswith(".opf")), "content.opf")


def _look_for_drm(package: Package) -> None:
    """Raises `Refused` where more than fonts is encrypted."""
    root: Element | None = package.optional_xml("META-INF/encryption.xml")
    for one in descendants(root, "EncryptedData"):
        methods = [attribute(m, "Algorithm") or "" for m in children(one, "EncryptionMethod")]
        if not any(font in method for method in methods for font in _OF_FONTS):
            message = "It is protected by DRM: its chapters are encrypted."
            raise Refused(DocumentReason.DRM_PROTECTED, message)
