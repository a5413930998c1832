"""Documents by their names and media types, and what hostile ones cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.children import Limits, NotRunning
from chroma_sync.pipeline.extract import Extractor, NoText, NotExtracted, documents, extractor
from chroma_sync.pipeline.extract.answers import pack_text, unpack
from chroma_sync.pipeline.text import Part, Section, Text
from unit.extract.notebooks import code, notebook
from unit.extract.samples import GOOD as GOOD_DOCUMENTS

MIB = 1024**2
GOOD = notebook(code("x = 1"))


@pytest.fixture
def small() -> Iterator[Extractor]:
    """One with as much memory as in a pod of 400 MiB."""
    with Extractor(Limits(cpu_seconds=5, memory_bytes=100 * MIB)) as made:
        yield made


def refused(made: Extractor, data: bytes) -> NotExtracted:
    with pytest.raises(NotExtracted) as caught:
        made.extract("a.ipynb", data)
    assert made.extract("good.ipynb", GOOD).data == b"x = 1\n", "the next one is not harmed"
    return caught.value


@pytest.mark.parametrize(
    ("key", "media_type", "is_notebook"),
    [
        ("a.ipynb", None, True),
        ("A.IPYNB", None, True),
        ("a", "application/x-ipynb+json", True),
        ("a.ipynb", "text/plain", True),
        ("a.json", None, False),
        ("ipynb", None, False),
    ],
)
def test_the_format_of_a_document(
    small: Extractor, key: str, media_type: str | None, is_notebook: bool
) -> None:
    text = small.extract(key, GOOD, media_type=media_type)
    assert text.data == (b"x = 1\n" if is_notebook else GOOD)


def test_a_text_stays_as_it_is(small: Extractor) -> None:
    text = small.extract("src/a.py", b"x = 1\r\n")
    assert text == Text(b"x = 1\r\n", (Part(0, 7, "python", {}),))
    assert small.extract("a.txt", b"\xef\xbb\xbf") == Text(b"", ())


def test_broken_bytes_are_a_verdict_that_is_final(small: Extractor) -> None:
    error = refused(small, b"{")
    assert (error.reason, error.is_final) == (DocumentReason.MALFORMED, True)


def test_a_notebook_that_takes_too_much_memory(small: Extractor) -> None:
    """A list takes twenty times the three bytes that it is written in."""
    error = refused(small, b'{"cells": [' + b"[]," * 3_000_000 + b"[]]}")
    assert (error.reason, error.is_final) == (DocumentReason.EXTRACTION_OUT_OF_MEMORY, False)
    assert str(error) == "The notebook could not be read: out of memory."


def test_a_notebook_that_takes_too_long() -> None:
    with Extractor(Limits(cpu_seconds=0.05)) as made:
        with pytest.raises(NotExtracted) as caught:
            made.extract(
                "a.ipynb", notebook(*[code("x" * 100)] * 5_000, metadata={"a": [1] * 10**6})
            )
    reason = DocumentReason.EXTRACTION_TIMED_OUT
    assert (caught.value.reason, caught.value.is_final) == (reason, False)


def test_a_plain_text_that_is_too_large(
    small: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not even read."""
    monkeypatch.setattr(extractor, "TEXT_MAX", 4)
    assert small.extract("a.txt", b"text").data == b"text"
    file = tmp_path / "a.txt"
    file.write_bytes(b"texts")
    for body in (b"texts", file):
        with pytest.raises(NoText) as caught:
            small.extract("a.txt", body)
        assert caught.value.reason is DocumentReason.TOO_LARGE


def test_a_text_that_is_too_large(small: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "ANSWER_MAX", 1_000)
    error = refused(small, notebook(code("x" * 2_000)))
    assert (error.reason, error.is_final) == (DocumentReason.EXTRACTED_TOO_LARGE, True)


def hostile(name: str) -> extractor.Family:
    """Notebooks, read by a function that does what hostile ones may do."""
    function = f"unit.children.hostile:{name}"
    return replace(extractor.NOTEBOOKS, function=function)


@pytest.mark.parametrize("name", ["crash_over_all_but_small", "nonsense_to_all_but_small"])
def test_what_breaks_off_or_answers_nonsense(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "FAMILIES", (hostile(name),))
    with Extractor() as made, pytest.raises(NotExtracted) as caught:
        made.extract("a.ipynb", GOOD)
    reason = DocumentReason.EXTRACTION_CRASHED
    assert (caught.value.reason, caught.value.is_final) == (reason, False)


@pytest.mark.parametrize("name", ["crash", "hang", "grow"])
def test_where_no_document_can_be_read_none_is_to_blame(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extractor, "FAMILIES", (hostile(name),))
    limits = Limits(cpu_seconds=0.3, memory_bytes=100 * MIB)
    with Extractor(limits) as made, pytest.raises(NotRunning, match="not even an empty one"):
        made.extract("a.ipynb", GOOD)


def test_a_machine_in_trouble_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "FAMILIES", (hostile("sleep"),))
    with Extractor(Limits(wall_seconds=0.2)) as made, pytest.raises(NotRunning):
        made.extract("a.ipynb", GOOD)


TEXT = "aü\nb\n".encode()
PARTS = (Part(0, 4, "python", {"cell_number": 1}), Part(4, 6, None, {}))


def test_an_answer_comes_back() -> None:
    assert unpack(pack_text(Text(TEXT, PARTS))) == Text(TEXT, PARTS)
    assert unpack(pack_text(Text(b"", ()))) == Text(b"", ())
    with_sections = Text(TEXT, PARTS, (Section(0, "A"), Section(4, "")))
    assert unpack(pack_text(with_sections)) == with_sections


@pytest.mark.parametrize(
    "sections",
    [(Section(4, "B"), Section(0, "A")), (Section(-1, "A"),), (Section(0, "x" * 1_001),)],
)
def test_an_answer_with_other_sections_is_nonsense(sections: tuple[Section, ...]) -> None:
    with pytest.raises(ValueError):
        unpack(pack_text(Text(TEXT, PARTS, sections)))


def test_a_section_counts_among_the_keys_of_a_part() -> None:
    part = Part(0, 6, None, {"page": 1, "sheet": "a"})
    assert unpack(pack_text(Text(TEXT, (part,)))) == Text(TEXT, (part,))
    with pytest.raises(ValueError):
        unpack(pack_text(Text(TEXT, (part,), (Section(0, "A"),))))


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    monkeypatch.delitem(sys.modules, "chroma_sync.pipeline.extract.sheets", raising=False)
    said = unpack(documents.answer(extractor.question(".xlsx"), GOOD_DOCUMENTS["xlsx"]))
    assert isinstance(said, NotExtracted)
    assert (said.reason, said.is_final) == (DocumentReason.NOT_INSTALLED, False)
    assert "pip install 'chroma-sync[documents]'" in str(said)


def test_a_document_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "b"
    file.write_bytes(b"<h1>Title</h1>")
    with Extractor() as made:
        text = made.extract("a.html", file)
    assert text == Text(b"# Title\n", (Part(0, 8, "markdown", {}),), (Section(0, "Title"),))


def test_without_documents_a_page_is_code(tmp_path: Path) -> None:
    with Extractor(documents=False) as made:
        assert made.extract("a.html", b"<h1>Title</h1>").parts[0].language == "html"
        with pytest.raises(NoText):
            made.extract("a.pdf", b"%PDF-1.7\n\0")


@pytest.mark.parametrize(
    "parts",
    [
        (),
        PARTS[:1],
        (Part(0, 7, None, {}),),
        (*PARTS, Part(6, 6, None, {})),
        (Part(0, 2, None, {}), Part(2, 6, None, {})),  # inside a character
        (Part(0, 6, "of nobody", {}),),
        (Part(0, 6, None, {"document_key": "another"}),),
        (Part(0, 6, None, {"cell_number": "x" * 1_001}),),
        (Part(0, 6, None, {"cell_number": True}),),
        (Part(0, 6, None, {"cell_number": 1.5}),),  # type: ignore[dict-item]
    ],
)
def test_an_answer_with_other_parts_is_nonsense(parts: tuple[Part, ...]) -> None:
    with pytest.raises(ValueError):
        unpack(pack_text(Text(TEXT, parts)))


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"\x09nonsense", b"\x00", b"\x01\xff", b"\x00\xff\xff\xff\xff"),
        b"\x00\x02\x00\x00\x00{}",
        b"\x00\x04\x00\x00\x00[[1]]"[:9] + b"x",
        b"\x00\x00\x01\x00\x00" + b"[" * 256,
        pack_text(Text(b"a\0", (Part(0, 2, None, {}),))),
        pack_text(Text(b"a\xff", (Part(0, 2, None, {}),))),
    ],
)
def test_an_answer_that_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(answer)
