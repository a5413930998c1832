"""PDF documents and pictures."""

from __future__ import annotations

import os
import shutil
import time
from itertools import pairwise

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import images, pdf
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.pdf_layout import blocks_of, common_size
from chroma_sync.pipeline.extract.pdf_lines import Cell, Line
from chroma_sync.pipeline.extract.pdf_margins import without_repeated
from chroma_sync.pipeline.extract.source import PICTURES_SECONDS, Source
from unit.extract import samples

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None and os.environ.get("CI") != "true",
    reason="NO PICTURE WAS READ: tesseract is not installed",
)


def line(*texts: str, bottom: float, size: float = 10, left: float = 0, step: float = 200) -> Line:
    """A line of cells; each letter is as wide as half its size."""
    cells = [
        Cell(text, left + n * step, left + n * step + len(text) * size / 2)
        for n, text in enumerate(texts)
    ]
    return Line(cells, size, bottom, bottom + size)


def test_pages_are_parts() -> None:
    text = pdf.text(Source(samples.pdf("Words of one.", "Words of two.")))
    assert text.data == b"Words of one.\n\nWords of two.\n"
    assert [dict(part.metadata) for part in text.parts] == [{"page": 1}, {"page": 2}]


def test_lines_of_a_paragraph_are_joined_and_so_are_parted_words() -> None:
    lines = [
        line("A first line that is long and parts one of its wo-", bottom=100),
        line("rds, and another line that is just about as long as", bottom=88),
        line("it.", bottom=76),
        line("Another paragraph.", bottom=40),
    ]
    texts = [block.text for block in blocks_of(lines, common_size(lines))]
    assert texts == [
        "A first line that is long and parts one of its words, and another line that is just "
        "about as long as it.",
        "Another paragraph.",
    ]


def test_headings_are_larger_and_items_begin_with_a_mark() -> None:
    lines = [
        line("Head", bottom=120, size=20),
        *(line(f"{mark} item", bottom=100 - 12 * n) for n, mark in enumerate(("•", "2.", "-"))),
        *(line("The words of the text are of this size.", bottom=20 - 12 * n) for n in range(3)),
    ]
    blocks = blocks_of(lines, common_size(lines))
    assert [(b.kind, b.marker, b.text) for b in blocks[:4]] == [
        ("heading", "-", "Head"),
        ("item", "-", "item"),
        ("item", "2.", "item"),
        ("item", "-", "item"),
    ]


def test_a_table_with_gaps() -> None:
    full = line("Code", "Place", "Count", bottom=100)
    gap = line("A1", bottom=88)
    gap.cells += [Cell("7", 400, 405)]
    (table,) = blocks_of([full, gap], 10)
    assert table.rows == [["Code", "Place", "Count"], ["A1", "", "7"]]


def test_columns_that_were_written_line_by_line() -> None:
    left = "some words of the left column,"
    right = "and other words of the right one"
    lines = [line(left, right, bottom=100 - 12 * n) for n in range(5)]
    blocks = blocks_of(lines, 10)
    assert [left in block.text for block in blocks] == [True, False]
    assert [right in block.text for block in blocks] == [False, True]


def test_what_is_at_the_edge_of_many_pages_stands_once() -> None:
    pages = [
        [
            line("Report 2024", bottom=780),
            *(line(f"Words {n}.{m}", bottom=700 - 12 * m) for m in range(8)),
            line(str(n), bottom=20),
        ]
        for n in range(1, 5)
    ]
    kept = [[one.text for one in page] for page in without_repeated(pages)]
    assert kept[0][0] == "Report 2024"
    assert all(page[0].startswith("Words") for page in kept[1:])
    assert all(a != b and not a[-1].isdecimal() for a, b in pairwise(kept))


def test_a_password_and_damage() -> None:
    with pytest.raises(Refused) as caught:
        pdf.text(Source(b"%PDF-1.7\nnothing"))
    assert caught.value.reason is DocumentReason.MALFORMED


@needs_tesseract
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF"])
def test_pictures_are_read(kind: str) -> None:
    text = images.text(Source(samples.picture("Some words to read", kind)))
    assert text.data == b"Some words to read\n"


@needs_tesseract
def test_each_frame_is_a_page_and_the_same_is_read_once() -> None:
    data = samples.picture("First page", "TIFF", frames=["Second page", "Second page"])
    text = images.text(Source(data))
    assert text.data == b"First page\n\nSecond page\n"
    assert [dict(part.metadata) for part in text.parts] == [{"page": 1}, {"page": 2}]


@needs_tesseract
def test_a_language_that_is_missing_is_named() -> None:
    with pytest.raises(Refused, match="tesseract-ocr-xyz") as caught:
        images.text(Source(samples.picture("words"), ocr_languages=("xyz",)))
    assert caught.value.reason is DocumentReason.NOT_INSTALLED


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="needs the program tesseract") as caught:
        images.text(Source(samples.picture("words")))
    assert caught.value.reason is DocumentReason.NOT_INSTALLED


def test_pictures_that_take_too_long_are_a_verdict() -> None:
    source = Source(samples.picture("words"), started=time.monotonic() - PICTURES_SECONDS - 1)
    with pytest.raises(Refused) as caught:
        images.text(source)
    assert caught.value.reason is DocumentReason.EXTRACTION_TIMED_OUT


def test_a_blank_picture_has_no_text() -> None:
    assert images.text(Source(samples.picture(""))).data == b""
