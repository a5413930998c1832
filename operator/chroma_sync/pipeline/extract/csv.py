"""Tables in plain text: one line a row, cells apart by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.charset import text_of
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.markdown import Markdown, clean
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.extract.tables import cell_text, table_line
from chroma_sync.pipeline.text import NOTHING, Text

_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 64 * 1024  # characters
_CELL_MAX: Final = 16 * 1024**2
_COLUMNS_MAX: Final = 16_384  # as many as a spreadsheet has
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
    out.block("\n".join(_lines(_rows(characters, delimiter))))
    return out.text()


def _lines(rows: Iterator[list[str]]) -> Iterator[str]:
    """The lines of the table, made row by row: a file may be long."""
    is_first = True
    for row in rows:
        if len(row) > _COLUMNS_MAX:
            message = f"It has a row of {len(row)} cells; {_COLUMNS_MAX} are read."
            raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, message)
        cells = [cell_text(clean(cell)) for cell in row]
        if any(cells):
            yield table_line(cells)
            if is_first:
                yield table_line(["---"] * len(cells))
            is_first = False


def _rows(characters: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_CELL_MAX)
    try:
        yield from csv.reader(
            StringIO(characters, newline=""), delimiter=delimiter, skipinitialspace=True
        )
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
            rows = [
                row for row in csv.reader(StringIO(sample, newline=""), delimiter=delimiter) if row
            ]
        except csv.Error:
            continue
        (width, count), *_ = Counter(map(len, rows)).most_common(1) or [(1, 0)]
        score = (count / len(rows), float(width)) if width > 1 else (0.0, 0.0)
        if score > best_score:
            best, best_score = delimiter, score
    return best
