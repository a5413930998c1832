"""OpenDocument texts and presentations."""

from __future__ import annotations

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import odf as module
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.source import Source
from unit.extract.samples import opendocument


def read(body: str, kind: str = "text") -> str:
    return module.text(Source(opendocument(kind, body))).data.decode()


def test_headings_lists_and_blanks() -> None:
    body = (
        '<text:h text:outline-level="2">Head</text:h><text:p>a<text:s text:c="3"/>b<text:tab/>c'
        "<text:line-break/>d</text:p><text:list><text:list-item><text:p>one</text:p><text:list>"
        "<text:list-item><text:p>deeper</text:p></text:list-item></text:list></text:list-item>"
        "</text:list>"
    )
    assert read(body) == "## Head\n\na b c\nd\n\n- one\n  - deeper\n"


def test_tracked_changes_notes_and_comments() -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:p>words<text:note text:id="n1"><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>a note</text:p></text:note-body></text:note>"
        "<office:annotation><text:p>a comment</text:p></office:annotation></text:p>"
    )
    assert read(body) == "words[^1]\n\n[^1]: a note\n\n> Comment: a comment\n"


def test_tables_repeat_their_rows() -> None:
    def cell(text: str, more: str = "") -> str:
        return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"

    body = (
        f"<table:table><table:table-row>{cell('a')}{cell('b')}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="2">{cell("c")}{cell("d")}</table:table-row>'
        "</table:table>"
    )
    assert read(body).splitlines() == ["| a | b |", "| --- | --- |", "| c | d |", "| c | d |"]


def test_slides_are_parts_with_their_notes() -> None:
    def frame(text: str, more: str = "") -> str:
        box = f"<draw:text-box><text:p>{text}</text:p></draw:text-box>"
        return f"<draw:frame {more}>{box}</draw:frame>"

    title = frame("Title", 'presentation:class="title"')
    notes = f"<presentation:notes>{frame('Say this.')}</presentation:notes>"
    page = f"<draw:page>{frame('Words')}{title}{notes}</draw:page>"
    text = module.text(Source(opendocument("presentation", page)))
    assert text.data.decode() == "## Title\n\nWords\n\n> Notes: Say this.\n"
    assert [dict(part.metadata) for part in text.parts] == [{"slide": 1}]


def test_a_password_is_a_verdict() -> None:
    manifest = "<m><file-entry><encryption-data/></file-entry></m>"
    data = opendocument("text", "<text:p>x</text:p>", {"META-INF/manifest.xml": manifest})
    with pytest.raises(Refused) as caught:
        module.text(Source(data))
    assert caught.value.reason is DocumentReason.ENCRYPTED
