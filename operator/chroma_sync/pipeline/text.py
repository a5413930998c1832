"""A document's text and what its parts are, as extraction makes them and the chunker cuts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

# The metadata that a part and a section may give a record, at most `PART_KEYS_MAX` of it: the rest
# of a record's own keys is taken (see api/record_keys.py).
CELL_NUMBER: Final = "cell_number"
PAGE: Final = "page"
SLIDE: Final = "slide"
SHEET: Final = "sheet"
SECTION: Final = "section"
PART_KEYS: Final = frozenset({CELL_NUMBER, PAGE, SLIDE, SHEET, SECTION})
PART_KEYS_MAX: Final = 2

NOTHING: Final[Mapping[str, str | int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes `start` to `end` of a text. `language` is the name of the grammar that they are cut
    by (`markdown` is one of them), None for a text of no grammar. `metadata` goes onto the records
    of its chunks; no chunk reaches over its edges."""

    start: int
    end: int
    language: str | None
    metadata: Mapping[str, str | int]


class Section(NamedTuple):
    """From the byte `start` on a text stands under the headings of `path`, outermost first, such as
    `Install > From source`; under none where it is empty."""

    start: int
    path: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text in UTF-8 and its parts, which follow each other without a gap; no part is empty, and
    an empty text has none. `sections` are in order; a chunk is of the one that it begins in."""

    data: bytes
    parts: tuple[Part, ...]
    sections: tuple[Section, ...] = ()
