"""Tables of HTML, with the cells that span rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml.html import HtmlElement

_SPAN_MAX: Final = 1_000
_CELLS_MAX: Final = 1_000_000

Cell = tuple[HtmlElement, bool]  # and whether it goes on from the row above


def table_cells(table: HtmlElement) -> list[list[Cell | None]]:
    """The rows of a table. A cell that spans rows stands in each, one that spans columns in its
    first; None is no cell."""
    rows: list[list[Cell | None]] = []
    below: dict[int, tuple[int, HtmlElement | None]] = {}  # column: rows to go, and the cell
    total = 0
    for row in _rows(table):
        line: list[Cell | None] = []

        def take_from_above(line: list[Cell | None] = line) -> None:
            while (spanning := below.get(len(line))) is not None:
                left, cell = spanning
                if left == 1:
                    del below[len(line)]
                else:
                    below[len(line)] = (left - 1, cell)
                line.append(None if cell is None else (cell, True))

        for cell in row.iterchildren("td", "th"):
            take_from_above()
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            for n in range(across):
                if down > 1:
                    below[len(line)] = (down - 1, cell if n == 0 else None)
                line.append((cell, False) if n == 0 else None)
        take_from_above()
        total += len(line)
        if total > _CELLS_MAX:
            break
        rows.append(line)
    return rows


def _rows(table: HtmlElement) -> Iterator[HtmlElement]:
    for one in table:
        if one.tag == "tr":
            yield one
        elif one.tag in ("thead", "tbody", "tfoot"):
            yield from one.iterchildren("tr")


def _span(cell: HtmlElement, name: str) -> int:
    value = str(cell.get(name, "1")).strip()
    return max(1, min(int(value), _SPAN_MAX)) if value.isdecimal() and len(value) < 9 else 1
