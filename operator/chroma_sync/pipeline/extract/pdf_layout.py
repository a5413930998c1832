"""The blocks of a PDF page: headings, paragraphs, items of lists and tables, told from the size and
the place of its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from chroma_sync.pipeline.extract.pdf_lines import Cell, Line

_HEADING: Final = 1.15  # times the size of the text
_LEVELS: Final = ((1.8, 1), (1.4, 2), (0.0, 3))
_HEADING_MAX: Final = 200  # characters
_PARAGRAPH_GAP: Final = 0.75  # times the size of the letters, between the boxes of two lines
_ITEM: Final = re.compile(r"^(?:([•●▪■◦○‣])\s*|([·*–-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+)(?=\S)")
_BULLETS: Final = "•●▪■◦○‣·*–-"
_FULL: Final = 0.75  # of a block's width: a line that is shorter ends a paragraph
_COLUMN_LINES: Final = 4
_COLUMN_LENGTH: Final = 28  # characters: what is longer than that is hardly the cell of a table
_HYPHENS: Final = "-\u2010\xad"


@dataclass
class Block:
    """A block; `kind` is `heading`, `paragraph`, `item` or `table`."""

    kind: str
    text: str = ""
    level: int = 0
    marker: str = "-"
    rows: list[list[str]] = field(default_factory=list)


def common_size(lines: Iterable[Line]) -> float:
    """The size that most of a document's letters have."""
    counts: Counter[float] = Counter()
    for line in lines:
        counts[round(line.size * 2) / 2] += len(line.text)
    return counts.most_common(1)[0][0] if counts else 1.0


def blocks_of(lines: Sequence[Line], size: float) -> list[Block]:
    """The blocks of a page, whose text is mostly of this size."""
    blocks: list[Block] = []
    n = 0
    while n < len(lines):
        end = _table_end(lines, n)
        if end - n >= 2:
            columns = _columns(lines[n:end])
            for column in columns:
                blocks += blocks_of(column, size)
            if not columns:
                blocks.append(Block("table", rows=_rows(lines[n:end])))
            n = end
            continue
        end = _block_end(lines, n, size)
        blocks.append(_block(lines[n:end], size))
        n = end
    return blocks


def _table_end(lines: Sequence[Line], start: int) -> int:
    """Behind the last line of a table that begins here: lines of several cells below each other,
    and those of one cell between them that stand in one of its columns."""
    end = start
    n = start
    while n < len(lines):
        line = lines[n]
        if n > start and not _is_below(lines[n - 1], line, 3.0):
            break
        if len(line.cells) >= 2:
            end = n + 1
        elif n == start or n - end >= 2 or not _is_in_column(line, lines[start:end]):
            break
        n += 1
    return end


def _is_below(before: Line, line: Line, gaps: float) -> bool:
    return 0 < before.bottom - line.bottom < (1 + gaps) * max(before.size, line.size)


def _is_in_column(line: Line, rows: Sequence[Line]) -> bool:
    """Whether a line of one cell stands under a cell that is not the first of its row."""
    return any(
        abs(line.left - cell.left) < line.size and line.right <= rows[0].right + line.size
        for row in rows
        for cell in row.cells[1:]
    )


def _rows(lines: Sequence[Line]) -> list[list[str]]:
    """The cells of a table by its columns: those of its fullest row, and what lies between."""
    columns: list[tuple[float, float]] = []
    for line in sorted(lines, key=lambda line: -len(line.cells)):
        for cell in line.cells:
            if all(cell.right <= left or cell.left >= right for left, right in columns):
                columns.append((cell.left, cell.right))
    columns.sort()
    rows: list[list[str]] = []
    for line in lines:
        row = [""] * len(columns)
        for cell in line.cells:
            n = max(range(len(columns)), key=lambda n: _overlap(cell, columns[n]))
            row[n] = f"{row[n]} {cell.text}".strip()
        rows.append(row)
    return rows


def _overlap(cell: Cell, column: tuple[float, float]) -> float:
    return min(cell.right, column[1]) - max(cell.left, column[0])


def _columns(lines: Sequence[Line]) -> list[list[Line]]:
    """The columns of a page that were written line by line; none where it is a table."""
    if len(lines) < _COLUMN_LINES or any(len(line.cells) != 2 for line in lines):
        return []
    sides = [sum(len(line.cells[side].text) for line in lines) for side in range(2)]
    if min(sides) < _COLUMN_LENGTH * len(lines):
        return []
    return [[replace(line, cells=[line.cells[side]]) for line in lines] for side in range(2)]


def _block_end(lines: Sequence[Line], start: int, size: float) -> int:
    """Behind the last line of the paragraph, item or heading that begins here."""
    end = start + 1
    while end < len(lines) and _belongs(lines[start:end], lines[end], size):
        end += 1
    return end


def _belongs(block: Sequence[Line], line: Line, size: float) -> bool:
    before = block[-1]
    height = max(before.size, line.size)
    if abs(before.size - line.size) > 0.12 * height or len(line.cells) > 1 or len(before.cells) > 1:
        return False
    if _is_heading(before, size) != _is_heading(line, size) or before.is_bold != line.is_bold:
        return False
    gap = before.bottom - line.top
    if not -0.6 * height < gap < _PARAGRAPH_GAP * height or _ITEM.match(line.text):
        return False
    if len(block) >= 2:
        step = block[-2].bottom - before.bottom
        if before.bottom - line.bottom > 1.3 * step > 0:
            return False
    return True


def _is_heading(line: Line, size: float) -> bool:
    return line.size > _HEADING * size and len(line.text) < _HEADING_MAX


def _block(lines: Sequence[Line], size: float) -> Block:
    text = _joined(lines)
    first = lines[0]
    has_letters = any(c.isalpha() for c in text)
    if all(_is_heading(line, size) for line in lines) and len(text) < _HEADING_MAX and has_letters:
        ratio = first.size / size
        return Block("heading", text, next(level for least, level in _LEVELS if ratio >= least))
    if match := _ITEM.match(text):
        marker = match[1] or match[2]
        is_number = marker[:-1].isdecimal()
        if marker in _BULLETS or is_number:
            shown = f"{marker[:-1]}." if is_number else "-"
            return Block("item", text[match.end() :], marker=shown)
    return Block("paragraph", text)


def _joined(lines: Sequence[Line]) -> str:
    """The lines of a paragraph as one text. A word that was parted at the end of a line is whole
    again; a line that ends early keeps its end."""
    width = max(line.right for line in lines) - min(line.left for line in lines)
    text = lines[0].text
    for before, line in pairwise(lines):
        following = line.text
        if text[-1:] in _HYPHENS and text[-2:-1].isalpha() and following[:1].islower():
            text = text[:-1] + following
        elif before.right_to_left or before.right - before.left >= _FULL * width:
            text = f"{text} {following}"
        else:
            text = f"{text}\n{following}"
    return text
