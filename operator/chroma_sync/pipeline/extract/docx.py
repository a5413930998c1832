"""Word documents (.docx and its templates): what its pages show, and the notes and comments."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.docx_runs import Inline, Runs
from chroma_sync.pipeline.extract.docx_styles import Numbering, Style, Styles, outline_level
from chroma_sync.pipeline.extract.drawings import write_graphic
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.html import write_html
from chroma_sync.pipeline.extract.markdown import Markdown, clean, one_line
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.extract.xml import (
    Element,
    attribute,
    child,
    children,
    choose_alternatives,
    descendants,
    name,
)
from chroma_sync.pipeline.extract.zips import Package, of_kind
from chroma_sync.pipeline.text import NOTHING, Text

_DEPTH_MAX: Final = 3  # documents in documents
_WRAPPERS: Final = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"})
_PAGE_NUMBER: Final = re.compile(
    r"(?i)\W*(?:page|seite|pagina|página)?\W*\d*\W*(?:of|von|de|di)?\W*\d*\W*"
)
_NUMBERED: Final = re.compile(r"\d[\d.]*[.)]?")


def text(source: Source) -> Text:
    """The text of a Word document."""
    out = Markdown()
    out.part(NOTHING)
    write_docx(Package(source.file()), out, depth=0)
    return out.text()


def write_docx(package: Package, out: Markdown, *, depth: int) -> None:
    """Write a document, or one that lies in another."""
    main = next(iter(of_kind(package.relations(""), "officeDocument")), "word/document.xml")
    root = package.xml(main)
    if root is None:
        raise Refused(DocumentReason.MALFORMED, "It has no main part.")
    _Writer(package, main, out, depth).document(root)


class _Writer:
    def __init__(self, package: Package, main: str, out: Markdown, depth: int) -> None:
        self.package = package
        self.out = out
        self.depth = depth
        self.relations = package.relations(main)
        self.styles = Styles(self._part("styles"))
        self.numbering = Numbering(self._part("numbering"))
        self.runs = Runs(self.styles, self.relations)
        self.notes = {
            kind: {attribute(n, "id") or "": n for n in children(self._part(f"{kind}s"), kind)}
            for kind in ("footnote", "endnote", "comment")
        }
        self.code: list[str] = []
        self.carried = ""  # of a paragraph whose end was deleted

    def _part(self, kind: str) -> Element | None:
        names = of_kind(self.relations, kind)
        root = self.package.optional_xml(names[0]) if names else None
        if root is not None:
            choose_alternatives(root)
        return root

    def document(self, root: Element) -> None:
        choose_alternatives(root)
        first = next(descendants(root, "sectPr"), None)
        self._margin(first, "header")
        self.blocks(child(root, "body"))
        self._end_code()
        self._margin(first, "footer")

    def _margin(self, section: Element | None, kind: str) -> None:
        """The header or footer of the first page; those of the others mostly repeat it."""
        wanted = "default" if child(section, "titlePg") is None else "first"
        for one in children(section, f"{kind}Reference"):
            related = self.relations.get(attribute(one, "id") or "")
            if attribute(one, "type") != wanted or related is None or related.is_outside:
                continue
            root = self.package.optional_xml(related.target)
            if root is None:
                continue
            choose_alternatives(root)
            main, inner = self.relations, Markdown()
            outer, self.out = self.out, inner
            self.relations = self.runs.relations = self.package.relations(related.target)
            self.blocks(root)
            self._end_code()
            self.out, self.relations, self.runs.relations = outer, main, main
            for block in inner.text().data.decode().split("\n\n"):
                if not _PAGE_NUMBER.fullmatch(block):
                    self.out.block(block.strip().lstrip("#").strip())

    def blocks(self, parent: Element | None) -> None:
        for one in () if parent is None else parent:
            match name(one):
                case "p":
                    self.paragraph(one)
                case "tbl":
                    self._end_code()
                    self.table(one)
                case "altChunk":
                    self._end_code()
                    self.chunk(one)
                case kind if kind in _WRAPPERS:
                    self.blocks(one)

    def paragraph(self, paragraph: Element) -> None:
        properties = child(paragraph, "pPr")
        style = self.styles.get(attribute(child(properties, "pStyle"), "val"))
        found = self.runs.paragraph(paragraph, style)
        raw, self.carried = self.carried + found.raw, ""
        if child(properties, "rPr", "del") is not None:
            self.carried = raw
            return
        self._write(clean(raw), found, properties, style)
        self._beside(found)

    def _write(self, words: str, found: Inline, properties: Element | None, style: Style) -> None:
        heading = outline_level(properties, style.heading)
        if heading is None and (style.is_code or found.is_code):
            self.code.append(found.raw)
            return
        self._end_code()
        label, level = self._label(properties, style) if words.strip() else (None, 0)
        if heading is not None:
            self.out.heading(heading, words, label=label or "")
        elif label is None:
            self.out.paragraph(words)
        else:
            is_plain = not label or _NUMBERED.fullmatch(label)
            self.out.item(
                level,
                words if is_plain else f"{label} {words}",
                label if label and is_plain else "-",
            )

    def _label(self, properties: Element | None, style: Style) -> tuple[str | None, int]:
        numbered = child(properties, "numPr")
        list_id, level = style.numbering or ("", 0)
        if numbered is not None:
            list_id = attribute(child(numbered, "numId"), "val") or list_id
            said = attribute(child(numbered, "ilvl"), "val") or ""
            level = int(said) if said.isdecimal() and len(said) < 3 else level
        return self.numbering.label(list_id, level), level

    def _end_code(self) -> None:
        if self.code:
            self.out.code("\n".join(self.code))
            self.code = []

    def _beside(self, found: Inline) -> None:
        """What hangs on a paragraph: text boxes, drawings, notes, comments."""
        if found.boxes or found.graphics or found.notes:
            self._end_code()
        for box in found.boxes:
            self.blocks(box)
            self._end_code()
        for graphic in found.graphics:
            write_graphic(graphic, self.relations, self.package, self.out)
        for kind, id_ in found.notes:
            note = self.notes[kind].pop(id_, None)  # each is written once
            if note is None:
                continue
            words = clean("\n".join(self.plain(note)))
            if kind == "comment":
                self.out.comment(attribute(note, "author") or "", words)
            elif words:
                self.out.block(f"[^{'' if kind == 'footnote' else 'e'}{id_}]: {one_line(words)}")

    def plain(self, parent: Element) -> Iterator[str]:
        """The paragraphs below an element, each as a line, with what hangs on them."""
        inner = Markdown()
        outer, self.out = self.out, inner
        code, self.code = self.code, []
        self.blocks(parent)
        self._end_code()
        self.out, self.code = outer, code
        for line in inner.text().data.decode().split("\n"):
            if line.strip():
                yield line

    def table(self, table: Element) -> None:
        rows = list(self._rows(table))
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            self.blocks(rows[0][0][0])
            self._end_code()
            return
        cells: list[list[str]] = []
        above: dict[int, str] = {}
        for row in rows:
            line: list[str] = []
            for cell, span, goes_on in row:
                column = len(line)
                text = above.get(column, "") if goes_on else "\n".join(self.plain(cell))
                above[column] = text
                line += [text, *[""] * (span - 1)]
            cells.append(line)
        self.out.table(cells)

    def _rows(self, table: Element) -> Iterator[list[tuple[Element, int, bool]]]:
        """The rows of a table; of each cell how many columns it spans, and whether it goes on with
        the one above."""
        for row in _through(table, "tr"):
            properties = child(row, "trPr")
            if child(properties, "del") is not None or child(properties, "hidden") is not None:
                continue
            before = attribute(child(properties, "gridBefore"), "val") or ""
            cells = [(row, _number(before), True)] if _number(before) and before else []
            for cell in _through(row, "tc"):
                about = child(cell, "tcPr")
                merge = child(about, "vMerge")
                goes_on = merge is not None and attribute(merge, "val") != "restart"
                span = attribute(child(about, "gridSpan"), "val") or ""
                cells.append((cell, _number(span) or 1, goes_on))
            if cells:
                yield cells

    def chunk(self, element: Element) -> None:
        """A whole document of another kind that stands in this one."""
        related = self.relations.get(attribute(element, "id") or "")
        data = None
        if related is not None and not related.is_outside and self.depth < _DEPTH_MAX:
            data = self.package.read(related.target)
        if data is None or related is None:
            return
        suffix = posixpath.splitext(related.target)[1].lower()
        if data.startswith(b"PK"):
            write_docx(Package(BytesIO(data)), self.out, depth=self.depth + 1)
        elif suffix == ".txt":
            self.out.paragraph(data.decode("utf-8", "replace"))
        elif suffix in (".htm", ".html", ".xhtml", ".mht", ".mhtml"):
            write_html(data, self.out)


def _through(parent: Element, wanted: str) -> Iterator[Element]:
    """Children of this name, also those in content controls and insertions."""
    for one in parent:
        if name(one) == wanted:
            yield one
        elif name(one) in _WRAPPERS:
            yield from _through(one, wanted)


def _number(text: str) -> int:
    """A small number; 0 where there is none."""
    return int(text) if text.isdecimal() and len(text) < 4 else 0
