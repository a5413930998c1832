"""The text of a picture, as the program Tesseract reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import pairwise
from statistics import median
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import programs
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.rules import without_rules

_NEEDS: Final = "Reading pictures needs the program tesseract (Debian: tesseract-ocr)."
_DOES_NOT_RUN: Final = (
    "Tesseract is installed, and reads no picture here, not even a blank one: see what it lacks."
)
_CPU_SECONDS: Final = 60  # for one picture, in one way of reading
_SIDE_MIN: Final = 1_000  # pixels: smaller pictures are enlarged, for letters need some twenty
_SIDE_MAX: Final = 5_000
_CERTAIN: Final = 25.0  # percent: lines that Tesseract is less sure of are specks and drawings
_GOOD: Final = 70.0
_INK_LOST: Final = 0.4  # of all that is dark, outside of the words that were found
_LAYOUT, _TURNED = "3", "1"  # ways of reading: by layout, and after the page was set upright


@dataclass(frozen=True)
class Word:
    """A word and where it stands, in pixels; `line` are the numbers of its block, paragraph and
    line."""

    text: str
    confidence: float
    left: int
    top: int
    width: int
    height: int
    line: tuple[int, int, int]


def read_picture(picture: Image.Image, languages: Sequence[str]) -> str:
    """The lines of a picture; paragraphs are apart by a blank line. Raises `Refused`."""
    ready = prepared(picture)
    if ready.getextrema() in ((255, 255), (0, 0)):
        return ""
    best = _words(ready, languages, _LAYOUT)
    if not best or _mean(best) < _GOOD:
        best = max(best, _words(ready, languages, _TURNED), key=_worth)
    if not best or _ink_lost(ready, best) > _INK_LOST:
        best = max(best, _words(without_rules(ready), languages, _LAYOUT), key=_worth)
    return "\n".join(_lines(best))


def prepared(picture: Image.Image) -> Image.Image:
    """A picture in shades of grey, on white where it has no colour, in a size that can be read."""
    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        picture = _stretched(picture)
    if picture.mode in ("P", "RGBA", "LA", "PA", "La", "RGBa"):
        colours = picture.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        picture = Image.alpha_composite(white, colours)
    grey = picture.convert("L")
    side = min(grey.size)
    if side < _SIDE_MIN and max(grey.size) < _SIDE_MAX // 2:
        grey = grey.resize((grey.width * 2, grey.height * 2), Image.Resampling.LANCZOS)
    if max(grey.size) > _SIDE_MAX:
        grey.thumbnail((_SIDE_MAX, _SIDE_MAX))
    return ImageOps.expand(grey, border=10, fill=int(np.asarray(grey)[0, 0]))


def _stretched(picture: Image.Image) -> Image.Image:
    """A picture of more than 256 shades in as many."""
    shades = np.asarray(picture).astype(np.float64)
    low, high = float(shades.min()), float(shades.max())
    return Image.fromarray(((shades - low) * (255 / ((high - low) or 1))).astype(np.uint8))


def _words(picture: Image.Image, languages: Sequence[str], way: str) -> list[Word]:
    tesseract = str(programs.find("tesseract", needs=_NEEDS))
    _look_for_languages(tesseract, tuple(languages))
    packed = BytesIO()
    picture.save(packed, "PNG", compress_level=1)
    command = [tesseract, "stdin", "stdout", "--psm", way, "-l", "+".join(languages), "tsv"]

    def run(given: bytes) -> tuple[int, bytes]:
        environment = _environment()
        return programs.run(command, given=given, cpu_seconds=_CPU_SECONDS, environment=environment)

    code, written = run(packed.getvalue())
    if code:  # a picture that it can't make sense of, if a blank one passes
        blank = BytesIO()
        Image.new("L", (100, 100), 255).save(blank, "PNG")
        if run(blank.getvalue())[0]:
            raise Refused(DocumentReason.NOT_INSTALLED, _DOES_NOT_RUN)
        return []
    found = [
        word for line in written.decode("utf-8", "replace").split("\n") for word in _word(line)
    ]
    if _mean(found) >= _GOOD:  # then also what is doubtful in it is text
        return found
    return [word for line in _by_line(found) if _mean(line) >= _CERTAIN for word in line]


def _by_line(words: Sequence[Word]) -> Iterator[list[Word]]:
    lines: dict[tuple[int, int, int], list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    yield from lines.values()


def _word(row: str) -> Iterator[Word]:
    cells = row.split("\t")
    if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
        block, paragraph, line, _, *box = map(int, cells[2:10])
        left, top, width, height = box
        place = (block, paragraph, line)
        yield Word(cells[11].strip(), float(cells[10]), left, top, width, height, place)


def _environment() -> dict[str, str]:
    # One thread: several would wait for each other on a machine that does more than this.
    kept = {
        n: os.environ[n] for n in ("HOME", "PATH", "TMPDIR", "TESSDATA_PREFIX") if n in os.environ
    }
    return kept | {"OMP_THREAD_LIMIT": "1"}


@cache
def _look_for_languages(tesseract: str, languages: tuple[str, ...]) -> None:
    """Raises `Refused` where the data of one is not there."""
    _, written = programs.run(
        [tesseract, "--list-langs"], cpu_seconds=_CPU_SECONDS, environment=_environment()
    )
    installed = set(written.decode("utf-8", "replace").split())
    if missing := [one for one in languages if one not in installed]:
        names = ", ".join(missing)
        message = f"Tesseract has no data for {names} (Debian: tesseract-ocr-{missing[0]})."
        raise Refused(DocumentReason.NOT_INSTALLED, message)


def _mean(words: Sequence[Word]) -> float:
    letters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / letters if letters else 0.0


def _worth(words: Sequence[Word]) -> float:
    """How much was read, and how certainly."""
    certain = (max(word.confidence - _CERTAIN, 0) for word in words)
    return sum(c * min(len(w.text), 20) for c, w in zip(certain, words, strict=True))


def _ink_lost(picture: Image.Image, words: Sequence[Word]) -> float:
    """Which share of what is dark stands outside of all words."""
    dark = picture.point(lambda v: 255 * (v < 128))
    inverted = dark.histogram()[255] > dark.width * dark.height // 2
    if inverted:
        dark = ImageOps.invert(dark)
    total = dark.histogram()[255]
    draw = ImageDraw.Draw(dark)
    for word in words:
        draw.rectangle(
            (word.left, word.top, word.left + word.width, word.top + word.height), fill=0
        )
    return dark.histogram()[255] / total if total else 0.0


def _lines(words: Sequence[Word]) -> Iterator[str]:
    """Words by their lines; wide gaps part the cells of tables."""
    paragraph: tuple[int, int] | None = None
    for members in _by_line(words):
        line = members[0].line
        if paragraph not in (None, line[:2]):
            yield ""
        paragraph = line[:2]
        gap = 2.5 * median(word.height for word in members)
        pieces = [members[0].text]
        for before, word in pairwise(members):
            is_wide = word.left - before.left - before.width > gap
            pieces += ["  " if is_wide else " ", word.text]
        yield "".join(pieces)
