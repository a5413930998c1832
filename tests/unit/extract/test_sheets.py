"""Spreadsheets: values as people see them, each sheet a part."""

from __future__ import annotations

import datetime

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import sheets as module
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.source import Source
from unit.extract.samples import GOOD, S, relations, row, xlsx


def test_a_sheet_is_a_part_with_its_name() -> None:
    rows = row(2, "", "Title") + row(4, "", "a", "b") + row(5, "", "c", "d")
    text = module.text(Source(xlsx(rows)))
    assert text.data.decode() == "## One\n\nTitle\n\n| a | b |\n| --- | --- |\n| c | d |\n"
    assert [dict(part.metadata) for part in text.parts] == [{"sheet": "One"}]


def test_a_merged_cell_stands_in_each_of_its_rows() -> None:
    rows = row(1, "a", "b") + row(2, "tall", "1") + row(3, "", "2")
    assert "|  | 2 |" in module.text(Source(xlsx(rows))).data.decode()
    ranges = '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>'
    sheet = f"<worksheet {S}><sheetData>{rows}</sheetData>{ranges}</worksheet>"
    merged = module.text(Source(xlsx("", {"xl/worksheets/sheet1.xml": sheet})))
    assert "| tall | 2 |" in merged.data.decode()


def test_comments_and_their_authors() -> None:
    comments = (
        "<comments><authors><author>Ada</author></authors><commentList>"
        '<comment ref="B2" authorId="0"><text><t>Sure?</t></text></comment></commentList>'
        "</comments>"
    )
    more = {
        "xl/comments1.xml": comments,
        "xl/worksheets/_rels/sheet1.xml.rels": relations(("comments", "../comments1.xml")),
    }
    assert (
        "> Comment on B2 by Ada: Sure?\n"
        in module.text(Source(xlsx(row(1, "x"), more))).data.decode()
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2022.0, "2022"),
        (0.1 + 0.2, "0.3"),
        (1599.99, "1599.99"),
        (1.5e300, "1.5e+300"),
        (True, "TRUE"),
        (datetime.date(2024, 1, 7), "2024-01-07"),
        (datetime.datetime(2007, 5, 17), "2007-05-17"),
        (datetime.datetime(2008, 1, 19, 4, 34, 59, 999_990), "2008-01-19 04:35:00"),
        (datetime.timedelta(days=10, hours=15, minutes=10, seconds=10), "255:10:10"),
        (datetime.time(9, 5), "09:05:00"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_values_as_they_are_shown(value: object, shown: str) -> None:
    assert module.shown(value) == shown


def test_what_is_no_spreadsheet() -> None:
    with pytest.raises(Refused) as caught:
        module.text(Source(GOOD["docx"]))
    assert caught.value.reason is DocumentReason.MALFORMED


def test_open_document_sheets_are_read_too() -> None:
    assert module.text(Source(GOOD["ods"])).data == b"## One\n\nSome words.\n"
