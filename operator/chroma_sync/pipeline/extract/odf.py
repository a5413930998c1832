"""OpenDocument texts and presentations (.odt, .odp): a walk of their `content.xml`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.docx_runs import linked, math
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.markdown import Markdown, clean, one_line
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.extract.xml import Element, attribute, child, children, descendants, name
from chroma_sync.pipeline.extract.zips import Package
from chroma_sync.pipeline.text import NOTHING, SLIDE, Text
from chroma_sync.pipeline.words import words

_REPEATED_MAX: Final = 1_000
_SPACES_MAX: Final = 100
_OBJECTS_MAX: Final = 3  # documents in documents
_HEADING_STYLE: Final = re.compile(r"(?:Title|Heading_20_(\d))")
_DRAWINGS: Final = words(
    "frame custom-shape rect line circle ellipse polyline polygon path connector caption g "
    "regular-polygon measure control"
)
_LEFT_OUT: Final = words(
    "tracked-changes sequence-decls variable-decls user-field-decls forms hidden-text "
    "hidden-paragraph bookmark alphabetical-index-mark index-title-template notes scripts "
    "event-listeners list-header-style glue-point animations par"
)


def text(source: Source) -> Text:
    """The text of a text document or a presentation; each slide of one is a part."""
    package = Package(source.file())
    look_for_encryption(package)
    root = package.xml("content.xml")
    if root is None:
        raise Refused(DocumentReason.MALFORMED, "It has no content.")
    out = Markdown()
    writer = _Writer(package, root, out)
    body = child(root, "body")
    presentation = child(body, "presentation")
    if presentation is None:
        presentation = child(body, "drawing")
    if presentation is None:
        out.part(NOTHING)
        margins = _margins(package)
        writer.margins(margins, "header")
        for one in () if body is None else body:
            writer.blocks(one)
        writer.margins(margins, "footer")
        return out.text()
    for number, page in enumerate(children(presentation, "page"), 1):
        out.part({SLIDE: number})
        writer.slide(page)
    return out.text()


def look_for_encryption(package: Package) -> None:
    """Raises `Refused` where a password is needed."""
    manifest = package.optional_xml("META-INF/manifest.xml")
    if next(descendants(manifest, "encryption-data", "encrypted-key"), None) is not None:
        raise Refused(DocumentReason.ENCRYPTED, "It opens with a password only.")


def _margins(package: Package) -> Element | None:
    return child(package.optional_xml("styles.xml"), "master-styles")


class _Writer:
    def __init__(self, package: Package, root: Element, out: Markdown, objects: int = 0) -> None:
        self.package = package
        self.out = out
        self.objects = objects
        self.hidden = {
            attribute(style, "name") or ""
            for style in descendants(child(root, "automatic-styles"), "style")
            if attribute(child(style, "text-properties"), "display") == "none"
        }
        self.ordered = {
            attribute(style, "name") or ""
            for style in descendants(root, "list-style")
            if child(style, "list-level-style-number") is not None
        }
        self.parents = {
            attribute(style, "name") or "": attribute(style, "parent-style-name") or ""
            for style in descendants(child(root, "automatic-styles"), "style")
        }
        self.code = {
            attribute(style, "name") or ""
            for style in descendants(root, "style")
            if "Preformatted" in (attribute(style, "parent-style-name") or "")
        } | {"Preformatted_20_Text"}

    def margins(self, styles: Element | None, kind: str) -> None:
        """The header or footer of the first page; those of the others mostly repeat it."""
        seen: set[str] = set()
        first = list(descendants(styles, f"{kind}-first"))
        for one in first or descendants(styles, kind):
            said = one_line(" ".join(self.inline(p)[0] for p in descendants(one, "p")))
            if said not in seen and any(c.isalpha() for c in said):
                seen.add(said)
                self.out.paragraph(said)

    def slide(self, page: Element) -> None:
        title = next((f for f in page if attribute(f, "class") == "title"), None)
        said = "" if title is None else " ".join(self.inline(p)[0] for p in descendants(title, "p"))
        self.out.heading(2, said)
        for one in page:
            if one is not title and attribute(one, "class") not in (
                "page-number",
                "date-time",
                "footer",
            ):
                self.block(one)
        for notes in children(page, "notes"):
            frames = (f for f in notes if attribute(f, "class") != "page")
            lines = [self.inline(p)[0] for f in frames for p in descendants(f, "p")]
            # A page's number alone is none.
            if said := "\n".join(w for w in map(clean, lines) if w and not w.startswith("<")):
                self.out.quote(f"Notes: {said}")

    def blocks(self, parent: Element, depth: int = -1, ordered: bool = False) -> None:
        for one in parent:
            self.block(one, depth, ordered)

    def block(self, one: Element, depth: int = -1, ordered: bool = False) -> None:
        kind = name(one)
        if kind == "h":
            self.heading(one)
        elif kind == "p":
            self.paragraph(one)
        elif kind == "list":
            style = attribute(one, "style-name")
            self.items(one, depth + 1, style in self.ordered if style else ordered)
        elif kind == "table":
            self.table(one)
        elif kind == "annotation":
            self.comment(one)
        elif kind in _DRAWINGS:
            self.drawing(one)
        elif kind == "section" and attribute(one, "display") in ("none", "condition"):
            return
        elif kind not in _LEFT_OUT:
            self.blocks(one, depth, ordered)

    def heading(self, one: Element) -> None:
        said, beside = self.inline(one)
        level = attribute(one, "outline-level") or "1"
        self.out.heading(int(level) if level.isdecimal() and len(level) < 3 else 1, said)
        self.beside(beside)

    def paragraph(self, one: Element) -> None:
        said, beside = self.inline(one)
        style = attribute(one, "style-name") or ""
        named = self.parents.get(style, style)
        if style in self.code:
            self.out.code(said)
        elif match := _HEADING_STYLE.fullmatch(named):
            self.out.heading(int(match[1] or 1), said)
        else:
            self.out.paragraph(said)
        self.beside(beside)

    def items(self, element: Element, depth: int, ordered: bool) -> None:
        start = attribute(child(element, "list-item"), "start-value") or "1"
        number = int(start) if start.isdecimal() and len(start) < 9 else 1
        for item in element:
            if name(item) not in ("list-item", "list-header"):
                continue
            marker = f"{number}." if ordered else "-"
            number += name(item) == "list-item"
            for n, one in enumerate(item):
                if name(one) == "p":
                    said, beside = self.inline(one)
                    self.out.item(depth, said, marker if n == 0 else "-")
                    self.beside(beside)
                else:
                    self.block(one, depth, ordered)

    def table(self, table: Element) -> None:
        rows: list[list[str]] = []
        above: dict[int, str] = {}
        for row, times in _repeated(_rows(table), "number-rows-repeated"):
            line: list[str] = []
            for cell, repeated in _repeated(iter(row), "number-columns-repeated"):
                if name(cell) not in ("table-cell", "covered-table-cell"):
                    continue
                said = self.cell(cell)
                if name(cell) == "covered-table-cell" and not said:
                    said = above.get(len(line), "")
                else:
                    spans = attribute(cell, "number-rows-spanned") not in (None, "1")
                    above[len(line)] = said if spans else ""
                line += [said] * (repeated if said or repeated < _REPEATED_MAX else 1)
            rows += [line] * (times if any(line) else 1)
        self.out.table(rows)

    def cell(self, cell: Element) -> str:
        inner = Markdown()
        outer, self.out = self.out, inner
        self.blocks(cell)
        self.out = outer
        return inner.text().data.decode().strip()

    def drawing(self, drawing: Element) -> None:
        """A frame or a shape: its text, an object in it, or what is said of its picture."""
        before = self.out.written()
        for one in drawing:
            kind = name(one)
            if kind in ("p", "h", "list", "table") or kind in _DRAWINGS:
                self.block(one)
            elif kind == "text-box":
                self.blocks(one)
            elif kind == "object":
                self.object(one)
        if self.out.written() == before:
            said = " ".join(one_line(t.text or "") for t in children(drawing, "desc"))
            if said:
                self.out.block(f"![{said}]()")

    def object(self, element: Element) -> None:
        """A chart, a formula or a table that is a document of its own in this one."""
        root = next((one for one in element if name(one) in ("math", "document")), None)
        if root is None:
            path = posixpath.normpath(attribute(element, "href") or "")
            is_inside = not path.startswith((".", "/")) and self.objects < _OBJECTS_MAX
            root = self.package.optional_xml(f"{path}/content.xml") if is_inside else None
        if root is None:
            return
        if name(root) == "math":
            self.out.paragraph(math(root))
        else:
            _Writer(self.package, root, self.out, self.objects + 1).blocks(root)

    def comment(self, note: Element) -> None:
        author = "".join(t.text or "" for t in children(note, "creator"))
        self.out.comment(author, "\n".join(self.inline(p)[0] for p in descendants(note, "p")))

    def beside(self, elements: list[Element]) -> None:
        """What hangs on a paragraph."""
        for one in elements:
            if name(one) == "annotation":
                self.comment(one)
            elif name(one) == "note":
                said = one_line(" ".join(self.inline(p)[0] for p in descendants(one, "p")))
                if said:
                    self.out.block(f"[^{_note_label(one)}]: {said}")
            else:
                self.drawing(one)

    def inline(self, parent: Element) -> tuple[str, list[Element]]:
        """The text of a paragraph, and what hangs on it."""
        beside: list[Element] = []
        return clean("".join(self._pieces(parent, beside))), beside

    def _pieces(self, parent: Element, beside: list[Element]) -> Iterator[str]:
        yield _blank(parent.text)
        for one in parent:
            kind = name(one)
            if kind == "s":
                count = attribute(one, "c") or "1"
                yield " " * min(
                    int(count) if count.isdecimal() and len(count) < 4 else 1, _SPACES_MAX
                )
            elif kind == "tab":
                yield "\t"
            elif kind == "line-break":
                yield "\n"
            elif kind == "a":
                shown = "".join(self._pieces(one, beside))
                yield linked(shown, attribute(one, "href") or "") if shown.strip() else shown
            elif kind == "note":
                beside.append(one)
                yield f"[^{_note_label(one)}]"
            elif kind == "annotation" or kind in _DRAWINGS:
                beside.append(one)
            elif kind == "ruby":
                for base in children(one, "ruby-base"):
                    yield from self._pieces(base, beside)
            elif kind not in _LEFT_OUT and attribute(one, "style-name") not in self.hidden:
                yield from self._pieces(one, beside)
            yield _blank(one.tail)


def _note_label(note: Element) -> str:
    citation = child(note, "note-citation")
    label = one_line((citation.text or "") if citation is not None else "")
    return label if label.isalnum() else (attribute(note, "id") or "note")


def _rows(table: Element) -> Iterator[Element]:
    for one in table:
        if name(one) == "table-row":
            yield one
        elif name(one) in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _rows(one)


def _repeated(elements: Iterator[Element], key: str) -> Iterator[tuple[Element, int]]:
    """Elements and how often each stands there."""
    for one in elements:
        times = attribute(one, key) or "1"
        yield one, min(int(times) if times.isdecimal() and len(times) < 9 else 1, _REPEATED_MAX)


def _blank(text: str | None) -> str:
    """White space in the source is one blank."""
    return " ".join(f".{text}.".split())[1:-1] if text else ""
