"""Tables in plain text: one line a row, cells apart by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.charset import text_of
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.markdown import Markdown, clean
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import NOTHING, Text

_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 64 * 1024  # characters
_CELL_MAX: Final = 16 * 1024**2
_SAID: Final = re.compile(r"(?i)sep=(.)\r?\n")


def text(source: Source) -> Text:
    """The text of a file of comma separated values."""
    characters = text_of(source.data, source.encoding)
    out = Markdown()
    out.part(NOTHING)
    said = _SAID.match(characters)
    if said is not None:
        characters = characters[said.end() :]
    delimiter = delimiter_of(characters) if said is None else said[1]
    out.table([[clean(cell) for cell in row] for row in _rows(characters, delimiter)])
    return out.text()


def _rows(characters: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_CELL_MAX)
    lines = characters.splitlines(keepends=True)
    try:
        yield from csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    except (csv.Error, TypeError) as error:
        message = f"It is no table: {error}."
        raise Refused(DocumentReason.MALFORMED, message) from None


def delimiter_of(characters: str) -> str:
    """What stands between the cells: what parts most rows into the same number of cells, more than
    one."""
    sample = characters[:_SAMPLE]
    if len(characters) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = ",", (0.0, 0.0)
    for delimiter in _DELIMITERS:
        if delimiter not in sample:
            continue
        try:
            rows = [row for row in csv.reader(sample.splitlines(True), delimiter=delimiter) if row]
        except csv.Error:
            continue
        (width, count), *_ = Counter(map(len, rows)).most_common(1) or [(1, 0)]
        score = (count / len(rows), float(width)) if width > 1 else (0.0, 0.0)
        if score > best_score:
            best, best_score = delimiter, score
    return best
