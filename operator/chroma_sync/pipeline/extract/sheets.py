"""Spreadsheets (.xlsx, .xls, .ods and their kin): each sheet a part, its cells as tables."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

import python_calamine as calamine

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.markdown import Markdown, clean, one_line
from chroma_sync.pipeline.extract.sheet_notes import Notes, notes_of
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.extract.zips import Package
from chroma_sync.pipeline.text import SHEET, Text

_NAME_MAX: Final = 200
_UNPACKED_MAX: Final = 512 * 1024**2  # bytes
_NOON_OF_CLOCKS: Final = datetime.date(1900, 1, 2)  # dates before it are mere times of day
_ROUNDED: Final = 12  # digits, as a sheet shows at most


def text(source: Source) -> Text:
    """The text of a spreadsheet; a sheet without any is left out."""
    _look_at_size(source)
    try:
        book = calamine.CalamineWorkbook.from_filelike(source.file())
    except calamine.PasswordError:
        raise Refused(DocumentReason.ENCRYPTED, "It opens with a password only.") from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        message = f"It is no spreadsheet that can be read: {one_line(str(error))}"
        raise Refused(DocumentReason.MALFORMED, message) from None
    notes = notes_of(source)
    out = Markdown()
    for about in book.sheets_metadata:
        try:
            sheet = book.get_sheet_by_name(about.name)
        except (calamine.CalamineError, ValueError):
            sheet = None  # a sheet of charts alone
        is_hidden = about.visible is not calamine.SheetVisibleEnum.Visible
        _write(sheet, about.name, is_hidden, notes.get(about.name, Notes()), out)
    return out.text()


def _look_at_size(source: Source) -> None:
    """Raises `Refused` where an archive holds more than any sheet of people."""
    with source.file() as file:
        if file.read(2) == b"PK" and Package(file).unpacked_size() > _UNPACKED_MAX:
            message = f"What it unpacks to is over {_UNPACKED_MAX // 1024**2} MiB."
            raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, message)


def _write(
    sheet: calamine.CalamineSheet | None, name: str, is_hidden: bool, notes: Notes, out: Markdown
) -> None:
    tables = [] if sheet is None else list(_tables(sheet))
    if not tables and not notes:
        return
    out.part({SHEET: name[:_NAME_MAX]})
    out.heading(2, f"{name} (hidden)" if is_hidden else name)
    for table in tables:
        if len(table) == 1 and sum(map(bool, table[0])) == 1:
            out.paragraph(next(filter(None, table[0])))  # a title
        else:
            out.table(table)
    for words in notes.shapes:
        out.paragraph(words)
    for cell, author, words in notes.comments:
        out.comment(author, words, on=cell)


def _tables(sheet: calamine.CalamineSheet) -> Iterator[list[list[str]]]:
    """The cells of a sheet; blank rows part its tables."""
    table: list[list[str]] = []
    for row in _shown(sheet):
        if any(row):
            table.append(row)
        elif table:
            yield table
            table = []
    if table:
        yield table


def _shown(sheet: calamine.CalamineSheet) -> Iterator[list[str]]:
    """The rows as people see them. A cell that was merged over several rows stands in each."""
    start = sheet.start
    if start is None:
        return
    merged: dict[int, list[tuple[int, int]]] = {}
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        if bottom > top:
            merged[left] = [*merged.get(left, []), (top, bottom)]
    above: dict[int, str] = {}
    # Rows before the first cell are given too.
    for number, values in enumerate(sheet.iter_rows()):
        row = [shown(value) for value in values]
        for column, spans in merged.items():
            if column < len(row):
                if not row[column] and any(top < number <= bottom for top, bottom in spans):
                    row[column] = above.get(column, "")
                above[column] = row[column]
        yield row


def shown(value: object) -> str:
    """A value as a sheet shows it, in the forms of ISO 8601."""
    match value:
        case str():
            return clean(value)
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return number(value)
        case datetime.datetime():
            return _moment(value)
        case datetime.timedelta():
            return _duration(value)
        case datetime.time():
            return value.isoformat("seconds")
    return str(value)


def number(value: float) -> str:
    """A number without what the arithmetic of doubles adds to it."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    rounded = f"{value:.{_ROUNDED}g}"
    return rounded if "e" in rounded else str(float(rounded))


def _moment(value: datetime.datetime) -> str:
    whole = (value + datetime.timedelta(microseconds=500_000)).replace(microsecond=0)
    if whole.time() == datetime.time() and whole.date() > _NOON_OF_CLOCKS:
        return whole.date().isoformat()
    if whole.date() < _NOON_OF_CLOCKS:
        return whole.time().isoformat()
    return whole.isoformat(" ")


def _duration(value: datetime.timedelta) -> str:
    """Hours, also over 24, minutes and seconds."""
    seconds = round(value.total_seconds())
    minutes, rest = divmod(abs(seconds), 60)
    return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
