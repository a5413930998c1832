"""The lines of a PDF page: its characters in the order of reading, by where they stand."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

import pypdfium2 as pdfium
from pypdfium2 import raw

_CHARACTERS_MAX: Final = 2_000_000  # of a page
_CELL_GAP: Final = 1.0  # times the size of the letters, between the cells of a table
_WORD_GAP: Final = 0.18
_GAP: Final = 0.12  # less is no blank, whatever PDFium makes of it
_SAMPLED: Final = 8  # of so many characters one is asked whether it is bold
_SAME_LINE: Final = 0.4
_HYPHEN: Final = 0x02  # PDFium's sign for one at the end of a line, which it joins to the next
_SPACED: Final = 0.07  # between letters that are set apart
_SPACED_MIN: Final = 6  # gaps: fewer prove nothing
_RIGHT_TO_LEFT: Final = ("R", "AL")
_LIGATURES: Final = {c: unicodedata.normalize("NFKC", chr(c)) for c in range(0xFB00, 0xFB07)}


@dataclass(slots=True)
class Character:
    """A character and its box, in points from the lower left of the page."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    is_made: bool = False  # PDFium has put it there


@dataclass(slots=True)
class Cell:
    """A piece of a line with no wide gap in it."""

    text: str
    left: float
    right: float


@dataclass(slots=True)
class Line:
    """A line; `size` is that of most of its letters, `bottom` where they stand."""

    cells: list[Cell]
    size: float
    bottom: float
    top: float
    is_bold: bool = False
    right_to_left: bool = False

    @property
    def text(self) -> str:
        """All of the line."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def left(self) -> float:
        """Where it begins."""
        return min(cell.left for cell in self.cells)

    @property
    def right(self) -> float:
        """Where it ends."""
        return max(cell.right for cell in self.cells)


def lines_of(page: pdfium.PdfPage) -> list[Line]:
    """The lines of a page, in the order in which they were written into it."""
    lines: list[Line] = []
    textpage = page.get_textpage()
    try:
        for characters, is_bold in _runs(textpage):
            line = _line(characters, is_bold)
            if line is None:
                continue
            if lines and _goes_on(lines[-1], line):
                _join(lines[-1], line)
            else:
                lines.append(line)
    finally:
        textpage.close()
    return lines


def _runs(textpage: pdfium.PdfTextPage) -> Iterator[tuple[list[Character], bool]]:
    """The characters of each line, as PDFium parts them, and whether they are bold."""
    handle = textpage.raw
    run: list[Character] = []
    bold = 0
    box = raw.FS_RECTF()
    place = ctypes.byref(box)
    # Called for each character: looked up once.
    code_of, box_of = raw.FPDFText_GetUnicode, raw.FPDFText_GetLooseCharBox
    for n in range(min(textpage.count_chars(), _CHARACTERS_MAX)):
        code = code_of(handle, n)
        if code in (0x0A, 0x0D):
            if run:
                yield run, bold * 2 * _SAMPLED > len(run)
            run, bold = [], 0
            continue
        if code in (0, 0xFFFE, 0xFFFF) or 0xD800 <= code < 0xE000:
            code = _joined_surrogates(handle, n, code)
            if code == 0:
                continue
        is_end = code == _HYPHEN
        code = 0x2D if is_end else code
        box_of(handle, n, place)
        shown = _LIGATURES.get(code) or chr(code)
        is_made = code == 0x20 and raw.FPDFText_IsGenerated(handle, n) == 1
        run.append(Character(shown, box.left, box.right, box.bottom, box.top, is_made))
        if len(run) % _SAMPLED == 1:
            bold += raw.FPDFText_GetFontWeight(handle, n) >= 600
        if is_end:
            yield run, bold * 2 * _SAMPLED > len(run)
            run, bold = [], 0
    if run:
        yield run, bold * 2 * _SAMPLED > len(run)


def _joined_surrogates(handle: object, n: int, code: int) -> int:
    """The character of a high surrogate and the low one behind it; 0 where there is none."""
    if 0xD800 <= code < 0xDC00:
        low: int = raw.FPDFText_GetUnicode(handle, n + 1)
        if 0xDC00 <= low < 0xE000:
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
    return 0


def _line(characters: list[Character], is_bold: bool) -> Line | None:
    shown = [c for c in characters if not c.text.isspace()]
    if not shown:
        return None
    sizes = sorted(max(c.top - c.bottom, 0.1) for c in shown)
    height = sizes[len(sizes) // 2]
    middle = sorted(shown, key=lambda c: c.bottom)[len(shown) // 2]
    letters = [unicodedata.bidirectional(c.text[0]) for c in shown]
    right_to_left = sum(kind in _RIGHT_TO_LEFT for kind in letters) * 2 > len(letters)
    if right_to_left:
        cells = [_cell_of("".join(c.text for c in _ligatures_turned(characters)), shown)]
    else:
        cells = _cells(characters, height)
    return Line(cells, height, middle.bottom, middle.top, is_bold, right_to_left)


def _cell_of(text: str, characters: list[Character]) -> Cell:
    left, right = min(c.left for c in characters), max(c.right for c in characters)
    return Cell(re.sub(r"\s+", " ", text).strip(), left, right)


def _ligatures_turned(characters: list[Character]) -> list[Character]:
    """Letters of one ligature stand in one place. PDFium turns a line that runs right to left, and
    with it the letters in a ligature, which were in order: turn them back."""
    turned = list(characters)
    for n in range(len(turned) - 1):
        one, next_ = turned[n], turned[n + 1]
        is_same_place = abs(one.left - next_.left) < 0.01 and abs(one.right - next_.right) < 0.01
        if is_same_place and one.right > one.left and one.text in "اأإآٱ" and next_.text == "ل":
            turned[n], turned[n + 1] = next_, one
    return turned


def _cells(characters: list[Character], height: float) -> list[Cell]:
    """The pieces of a line from left to right."""
    words = _with_blanks(characters, height)
    cells: list[list[Character]] = []
    right = None
    for one in words:
        if one.text.isspace():
            if cells:
                cells[-1].append(one)
            continue
        if right is None or one.left - right > _CELL_GAP * height or one.right < right - 4 * height:
            cells.append([])
        cells[-1].append(one)
        right = one.right
    found = [_cell_of("".join(c.text for c in cell), cell) for cell in cells if _is_shown(cell)]
    return sorted(found, key=lambda cell: cell.left)


def _is_shown(cell: list[Character]) -> bool:
    return any(not c.text.isspace() for c in cell)


def _with_blanks(characters: list[Character], height: float) -> list[Character]:
    """The characters of a line, with blanks where its gaps are wide. PDFium makes blanks of its own
    for gaps, also for narrow ones; where letters are set apart, for most of them."""
    shown: list[Character] = []
    is_written: list[bool] = []  # whether a blank stands before the character, made by nobody here
    blank = False
    for one in characters:
        if one.text.isspace():
            blank = blank or not one.is_made
        else:
            shown.append(one)
            is_written.append(blank)
            blank = False
    gaps = [
        b.left - a.right
        for (a, b), written in zip(pairwise(shown), is_written[1:], strict=True)
        if not written
    ]
    usual = max(median(gaps), 0.0) if len(gaps) >= _SPACED_MIN else 0.0
    between = max(2 * usual, _WORD_GAP * height) if usual > _SPACED * height else _GAP * height
    spaced = shown[:1]
    for (before, one), written in zip(pairwise(shown), is_written[1:], strict=True):
        gap = one.left - before.right
        if written or gap > between or gap < -height:
            spaced.append(Character(" ", before.right, one.left, one.bottom, one.top))
        spaced.append(one)
    return spaced


def _goes_on(before: Line, line: Line) -> bool:
    """Whether PDFium has parted what stands on one line, such as the cells of a table."""
    height = min(before.size, line.size)
    return (
        abs(before.bottom - line.bottom) < _SAME_LINE * height
        and not before.right_to_left
        and line.left >= before.right - 0.5 * height
    )


def _join(before: Line, line: Line) -> None:
    if line.left - before.right <= _CELL_GAP * before.size:
        last, first = before.cells[-1], line.cells[0]
        gap = " " if line.left - before.right > _WORD_GAP * before.size else ""
        joined = Cell(f"{last.text}{gap}{first.text}", last.left, first.right)
        before.cells[-1:] = [joined, *line.cells[1:]]
    else:
        before.cells += line.cells
