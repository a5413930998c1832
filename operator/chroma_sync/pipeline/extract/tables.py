"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_BLANKS: Final = re.compile(r"[ \t\xa0]+")


def cell_text(text: str) -> str:
    """A cell on one line, in which nothing ends the cell."""
    lines = (_BLANKS.sub(" ", line).strip() for line in text.splitlines())
    return "<br>".join(line for line in lines if line).replace("|", "\\|")


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; the first row is its header. Blank rows and columns are left out."""
    cells = [[cell_text(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    width = max(map(len, cells), default=0)
    used = [n for n in range(width) if any(n < len(row) and row[n] for row in cells)]
    if not used:
        return []
    header, *body = ([row[n] if n < len(row) else "" for n in used] for row in cells)
    return [table_line(header), table_line(["---"] * len(used)), *map(table_line, body)]


def table_line(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"
