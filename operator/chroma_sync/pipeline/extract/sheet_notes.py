"""What stands in a spreadsheet beside its cells: comments, shapes, charts."""

from __future__ import annotations

from dataclasses import dataclass, field

from chroma_sync.pipeline.extract import xml
from chroma_sync.pipeline.extract.drawings import body_text, comment_authors, write_graphic
from chroma_sync.pipeline.extract.markdown import Markdown, one_line
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.extract.xml import Element, attribute, child, children, descendants
from chroma_sync.pipeline.extract.zips import Package, Related, of_kind


@dataclass
class Notes:
    """Those of a sheet. Comments are each a cell, an author and words."""

    comments: list[tuple[str, str, str]] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.comments or self.shapes)


def notes_of(source: Source) -> dict[str, Notes]:
    """The notes of each sheet, by its name. Old binary formats have none that are read here."""
    with source.file() as file:
        if file.read(2) != b"PK":
            return {}
    package = Package(source.file())
    if package.has("content.xml"):
        return _of_open_document(package)
    main = next(iter(of_kind(package.relations(""), "officeDocument")), "xl/workbook.xml")
    book, relations = package.optional_xml(main), package.relations(main)
    people = comment_authors(package, relations)
    found: dict[str, Notes] = {}
    for sheet in descendants(book, "sheet"):
        related = relations.get(_relation_id(sheet))
        if related is not None and not related.is_outside:
            found[attribute(sheet, "name") or ""] = _of_sheet(package, related.target, people)
    return found


def _relation_id(sheet: Element) -> str:
    """`r:id`, and not the `sheetId` beside it."""
    return next((str(v) for k, v in sheet.items() if str(k).endswith("}id")), "")


def _of_sheet(package: Package, part: str, people: dict[str, str]) -> Notes:
    notes = Notes()
    relations = package.relations(part)
    threads = _comments(package, of_kind(relations, "threadedComment"), people)
    threaded = {cell for cell, _, _ in threads}
    plain = _comments(package, of_kind(relations, "comments"), people)
    # For older readers a thread is written as a comment too.
    notes.comments = [*(c for c in plain if c[0] not in threaded), *threads]
    for drawing in of_kind(relations, "drawing"):
        _read_drawing(package, drawing, notes)
    return notes


def _comments(
    package: Package, parts: list[str], people: dict[str, str]
) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for part in parts:
        root = package.optional_xml(part)
        authors = [one_line(a.text or "") for a in descendants(root, "author")]
        for one in descendants(root, "comment", "threadedComment"):
            number = attribute(one, "authorId") or ""
            is_listed = number.isdecimal() and len(number) < 6 and int(number) < len(authors)
            author = authors[int(number)] if is_listed else ""
            author = author or people.get(attribute(one, "personId") or "", "")
            words = "".join(t.text or "" for t in descendants(one, "t", "text"))
            if words.strip():
                found.append((attribute(one, "ref") or "", author, words))
    return found


def _read_drawing(package: Package, part: str, notes: Notes) -> None:
    root = package.optional_xml(part)
    if root is None:
        return
    xml.choose_alternatives(root)
    for body in descendants(root, "txBody"):
        if words := body_text(body):
            notes.shapes.append(words)
    relations: dict[str, Related] = package.relations(part)
    out = Markdown()
    for frame in descendants(root, "graphicFrame"):
        write_graphic(frame, relations, package, out)
    if words := out.text().data.decode().strip():
        notes.shapes.append(words)


def _of_open_document(package: Package) -> dict[str, Notes]:
    found: dict[str, Notes] = {}
    spreadsheet = child(package.optional_xml("content.xml"), "body", "spreadsheet")
    for table in children(spreadsheet, "table"):
        notes = found.setdefault(attribute(table, "name") or "", Notes())
        for note in descendants(table, "annotation"):
            author = "".join(t.text or "" for t in children(note, "creator"))
            words = "\n".join("".join(str(t) for t in p.itertext()) for p in children(note, "p"))
            if words.strip():
                notes.comments.append(("a cell", one_line(author), words))
        for shapes in children(table, "shapes"):
            for one in descendants(shapes, "p"):
                if words := one_line("".join(str(t) for t in one.itertext())):
                    notes.shapes.append(words)
    return found
