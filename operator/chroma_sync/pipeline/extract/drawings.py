"""What Office documents of all kinds may hold in drawings: charts, diagrams, shapes with text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chroma_sync.pipeline.extract.markdown import Markdown, one_line
from chroma_sync.pipeline.extract.xml import Element, attribute, child, children, descendants, name
from chroma_sync.pipeline.extract.zips import Package, Related, of_kind

_POINTS_MAX: Final = 5_000  # of a series of a chart


def paragraph_text(paragraph: Element) -> str:
    """The text of a paragraph of DrawingML."""
    pieces: list[str] = []
    for one in paragraph.iter("{*}t", "{*}br", "{*}tab"):
        kind = name(one)
        pieces.append("\n" if kind == "br" else "\t" if kind == "tab" else one.text or "")
    return "".join(pieces)


def body_text(body: Element | None) -> str:
    """The paragraphs of a shape, each on a line."""
    texts = (paragraph_text(p).strip() for p in children(body, "p"))
    return "\n".join(text for text in texts if text)


def write_chart(chart: Element | None, out: Markdown) -> None:
    """The titles of a chart, and its series as a table."""
    if chart is None:
        return
    for title in descendants(chart, "title"):
        if text := " ".join(t.text or "" for t in descendants(title, "t", "v")):
            out.paragraph(one_line(text))
    header, columns, categories = [""], [], dict[int, str]()
    for series in descendants(chart, "ser"):
        named = child(series, "tx")
        header.append(" ".join(v.text or "" for v in descendants(named, "v")))
        categories |= _points(series, "cat", "xVal")
        columns.append(_points(series, "val", "yVal"))
    numbers = sorted(categories.keys() | {n for column in columns for n in column})
    rows = [[categories.get(n, ""), *(c.get(n, "") for c in columns)] for n in numbers]
    if columns:
        out.table([header, *rows])


def _points(series: Element, *names: str) -> dict[int, str]:
    """The values of a series by their numbers; of categories of several levels all levels."""
    found: dict[int, str] = {}
    points = (p for n in names for one in children(series, n) for p in descendants(one, "pt"))
    for point in points:
        number = attribute(point, "idx") or ""
        value = child(point, "v")
        if number.isdecimal() and len(number) < 9 and value is not None and value.text:
            n = int(number)
            found[n] = f"{value.text} {found[n]}" if n in found else _number(value.text)
            if len(found) == _POINTS_MAX:
                break
    return found


def _number(text: str) -> str:
    """A number as people write it: charts keep all digits that a double has."""
    try:
        return f"{float(text):.12g}" if len(text) > 12 and "." in text else text
    except ValueError:
        return text


def diagram_texts(data: Element | None) -> Iterator[str]:
    """The texts of a diagram (SmartArt), each of its points one."""
    for point in descendants(data, "pt"):
        if text := body_text(child(point, "t")):
            yield text


def write_graphic(
    graphic: Element, relations: dict[str, Related], package: Package, out: Markdown
) -> None:
    """The charts and diagrams that a drawing refers to."""
    for one in descendants(graphic, "chart", "relIds"):
        is_chart = name(one) == "chart"
        related = relations.get(attribute(one, "id" if is_chart else "dm") or "")
        if related is None or related.is_outside:
            continue
        part = package.optional_xml(related.target)
        if is_chart:
            write_chart(part, out)
        else:
            for text in diagram_texts(part):
                out.item(0, text)


def description(element: Element) -> str:
    """What is said of a picture for those who do not see it."""
    for one in descendants(element, "docPr", "cNvPr"):
        if text := one_line(attribute(one, "descr") or ""):
            return text
    return ""


def comment_authors(package: Package, relations: dict[str, Related]) -> dict[str, str]:
    """The names of those who commented, by their ids."""
    found: dict[str, str] = {}
    for kind in ("commentAuthors", "authors", "person"):
        for part in of_kind(relations, kind):
            root = package.optional_xml(part)
            for one in children(root, "cmAuthor"):
                found[attribute(one, "id") or ""] = attribute(one, "name") or ""
            for one in (*children(root, "author"), *children(root, "person")):
                shown = attribute(one, "name") or attribute(one, "displayName") or ""
                found[attribute(one, "id") or ""] = shown
    return found
