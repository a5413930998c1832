"""PowerPoint presentations (.pptx and its templates): each slide a part, with its notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.docx_runs import linked
from chroma_sync.pipeline.extract.drawings import (
    body_text,
    comment_authors,
    description,
    paragraph_text,
    write_graphic,
)
from chroma_sync.pipeline.extract.errors import Refused
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
from chroma_sync.pipeline.extract.zips import Package, Related, of_kind
from chroma_sync.pipeline.text import SLIDE, Text

SLIDES_MAX: Final = 7_000
_TITLES: Final = frozenset({"title", "ctrTitle"})
_NOT_SAID: Final = frozenset({"sldNum", "dt", "hdr", "ftr", "sldImg"})
_PLAIN_BODY: Final = frozenset({"subTitle"})


def text(source: Source) -> Text:
    """The text of a presentation, slide by slide in the order of showing."""
    package = Package(source.file())
    main = next(iter(of_kind(package.relations(""), "officeDocument")), "ppt/presentation.xml")
    root = package.xml(main)
    if root is None:
        raise Refused(DocumentReason.MALFORMED, "It has no main part.")
    relations = package.relations(main)
    slides = list(_slides(root, relations))
    if len(slides) > SLIDES_MAX:
        message = f"It has {len(slides)} slides; {SLIDES_MAX} are read."
        raise Refused(DocumentReason.TOO_MANY_PAGES, message)
    authors = comment_authors(package, relations)
    out = Markdown()
    for number, part in enumerate(slides, 1):
        slide = package.optional_xml(part)
        if slide is not None:
            out.part({SLIDE: number})
            choose_alternatives(slide)
            _Slide(package, part, out, authors).write(slide)
    return out.text()


def _slides(root: Element, relations: dict[str, Related]) -> Iterator[str]:
    for one in descendants(child(root, "sldIdLst"), "sldId"):
        id_ = next((str(v) for k, v in one.items() if str(k).endswith("}id")), "")
        related = relations.get(id_)
        if related is not None and not related.is_outside:
            yield related.target


class _Slide:
    def __init__(self, package: Package, part: str, out: Markdown, authors: dict[str, str]) -> None:
        self.package = package
        self.out = out
        self.authors = authors
        self.relations = package.relations(part)

    def write(self, slide: Element) -> None:
        tree = child(slide, "cSld", "spTree")
        title = next((s for s in children(tree, "sp") if _placeholder(s) in _TITLES), None)
        words = one_line(body_text(child(title, "txBody")))
        if attribute(slide, "show") == "0":
            words = f"{words} (hidden slide)".strip()
        self.out.heading(2, words)
        self.shapes(tree, title)
        self.notes()
        self.comments()

    def shapes(self, tree: Element | None, title: Element | None = None) -> None:
        for one in () if tree is None else tree:
            if one is title:
                continue
            match name(one):
                case "sp" | "cxnSp" if _placeholder(one) not in _NOT_SAID:
                    self.shape(one)
                case "grpSp":
                    self.shapes(one)
                case "graphicFrame":
                    self.frame(one)
                case "pic":
                    if words := description(one):
                        self.out.block(f"![{words}]()")

    def shape(self, shape: Element) -> None:
        placeholder = _placeholder(shape)
        is_list = placeholder is not None and placeholder not in _PLAIN_BODY | _TITLES
        for paragraph in children(child(shape, "txBody"), "p"):
            self.paragraph(paragraph, is_list)

    def paragraph(self, paragraph: Element, is_list: bool) -> None:
        words = clean(self.linked(paragraph))
        if not words:
            return
        properties = child(paragraph, "pPr")
        level = attribute(properties, "lvl") or "0"
        depth = int(level) if level.isdecimal() and len(level) == 1 else 0
        marked = {name(one) for one in (() if properties is None else properties)}
        if "buAutoNum" in marked:
            self.out.item(depth, words, "1.")
        elif marked & {"buChar", "buBlip"} or (is_list and "buNone" not in marked) or depth:
            self.out.item(depth, words)
        else:
            self.out.paragraph(words)

    def linked(self, paragraph: Element) -> str:
        """The text of a paragraph, with its links to the web."""
        pieces: list[str] = []
        for one in paragraph:
            words = "\n" if name(one) == "br" else paragraph_text(one)
            click = child(one, "rPr", "hlinkClick")
            related = self.relations.get(attribute(click, "id") or "")
            if related is not None and related.is_outside and words.strip():
                words = linked(words, related.target)
            pieces.append(words)
        return "".join(pieces)

    def frame(self, frame: Element) -> None:
        for table in descendants(frame, "tbl"):
            self.table(table)
        write_graphic(frame, self.relations, self.package, self.out)

    def table(self, table: Element) -> None:
        rows: list[list[str]] = []
        for row in children(table, "tr"):
            line: list[str] = []
            for cell in children(row, "tc"):
                column = len(line)
                if attribute(cell, "vMerge") in ("1", "true"):
                    line.append(rows[-1][column] if rows and column < len(rows[-1]) else "")
                else:
                    line.append(body_text(child(cell, "txBody")))
            rows.append(line)
        self.out.table(rows)

    def notes(self) -> None:
        for part in of_kind(self.relations, "notesSlide"):
            tree = child(self.package.optional_xml(part), "cSld", "spTree")
            texts = [
                body_text(child(shape, "txBody"))
                for shape in descendants(tree, "sp")
                if _placeholder(shape) not in _NOT_SAID
            ]
            words = "\n".join(filter(None, texts))
            if words:
                self.out.quote(f"Notes: {words}")

    def comments(self) -> None:
        for part in of_kind(self.relations, "comments"):
            root = self.package.optional_xml(part)
            for comment in descendants(root, "cm", "reply"):
                author = self.authors.get(attribute(comment, "authorId") or "", "")
                old = child(comment, "text")
                new = body_text(child(comment, "txBody"))
                self.out.comment(author, (old.text or "") if old is not None else new)


def _placeholder(shape: Element) -> str | None:
    """What a shape stands for in its layout, such as `title`; None when for nothing."""
    for properties in ("nvSpPr", "nvPicPr", "nvGraphicFramePr"):
        place = child(shape, properties, "nvPr", "ph")
        if place is not None:
            return attribute(place, "type") or "body"
    return None
