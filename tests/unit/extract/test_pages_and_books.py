"""HTML, electronic books and tables in plain text."""

from __future__ import annotations

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract import csv, epub, html
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.source import Source
from unit.extract import samples


def page(markup: str | bytes, encoding: str | None = None) -> str:
    data = markup.encode() if isinstance(markup, str) else markup
    return html.text(Source(data, ".html", encoding)).data.decode()


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<h2>Head</h2>\n<p>some\n  words</p>", "## Head\n\nsome words\n"),
        ("<p>a<br>b</p>c<div>d</div>", "a\nb\n\nc\n\nd\n"),
        ("<ul><li>a<ul><li>b</ul><li><p>c</p></ul>", "- a\n  - b\n- c\n"),
        ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b\n"),
        ("<pre><code class=language-py>if x:\n    y</code></pre>", "```py\nif x:\n    y\n```\n"),
        ("<p>a <code>b</code> <a href='https://x.org/'>c</a>", "a `b` [c](https://x.org/)\n"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b\n"),
        ("<script>x</script><p hidden>y</p><p style='display:none'>z</p><p>a", "a\n"),
        ("<iframe srcdoc='&lt;p&gt;inside'></iframe>", "inside\n"),
        ("<img alt='a duck' src=x>", "![a duck]()\n"),
        ("<p># no heading</p>", "\\# no heading\n"),
        ("<a href='https://x.org'><h3>a</h3><p>b</p></a>", "### a\n\nb\n"),
        ("", ""),
    ],
)
def test_a_page(markup: str, text: str) -> None:
    assert page(markup) == text


def test_cells_that_span_rows_and_columns() -> None:
    markup = (
        "<table><tr><th>y<th colspan=2>wide<tr><td rowspan=2>tall<td>1<td>2<tr><td>3<td>4</table>"
    )
    assert page(markup).splitlines() == [
        "| y | wide |  |",
        "| --- | --- | --- |",
        "| tall | 1 | 2 |",
        "| tall | 3 | 4 |",
    ]


@pytest.mark.parametrize(
    "data",
    [
        "<p>Müller zahlt 15 €".encode("utf-16"),
        b"<meta charset='windows-1252'><p>" + "Müller zahlt 15 €".encode("cp1252"),
        b"<p>" + "Müller zahlt 15 €".encode("cp1252"),
        b"<?xml version='1.0' encoding='iso-8859-15'?><p>"
        + "Müller zahlt 15 €".encode("iso8859-15"),
        "<meta charset='utf-16'><p>Müller zahlt 15 €".encode(),
    ],
)
def test_the_encoding_of_a_page(data: bytes) -> None:
    assert page(data) == "Müller zahlt 15 €\n"


def test_what_a_source_says_of_the_encoding() -> None:
    data = b"<p>" + "Привет, мир".encode("koi8-r")
    assert page(data, "koi8-r") == "Привет, мир\n"


def test_an_encoding_that_can_not_be_told() -> None:
    with pytest.raises(Refused) as caught:
        page(bytes(range(0x80, 0x100)) * 3)
    assert caught.value.reason is DocumentReason.NOT_UTF8


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,2\n", ["| a | b |", "| --- | --- |", "| 1 | 2 |"]),
        (b"a;b\n1,5;2\n", ["| a | b |", "| --- | --- |", "| 1,5 | 2 |"]),
        (b"a\tb\n1\t2\n", ["| a | b |", "| --- | --- |", "| 1 | 2 |"]),
        (b"sep=|\na|b\n", ["| a | b |", "| --- | --- |"]),
        (b'a,"x\ny"\n', ["| a | x<br>y |", "| --- | --- |"]),
        (b"\n,\n", []),
    ],
)
def test_a_table_in_plain_text(data: bytes, rows: list[str]) -> None:
    assert csv.text(Source(data, ".csv")).data.decode().splitlines() == rows


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    chapters = [
        f"<html><body><h1>Chapter {n}</h1><p>Text {n}&nbsp;.</p></body></html>" for n in (1, 2)
    ]
    text = epub.text(Source(samples.epub(*chapters)))
    assert text.data.decode() == "# Chapter 1\n\nText 1 .\n\n# Chapter 2\n\nText 2 .\n"
    assert len(text.parts) == 2
    assert [section.path for section in text.sections] == ["Chapter 1", "", "Chapter 2"]


@pytest.mark.parametrize(
    ("algorithm", "is_protected"),
    [
        ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", True),
        ("http://www.idpf.org/2008/embedding", False),
    ],
)
def test_a_book_under_drm(algorithm: str, is_protected: bool) -> None:
    encryption = (
        f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/></EncryptedData>'
        "</encryption>"
    )
    data = samples.epub("<p>words", more={"META-INF/encryption.xml": encryption})
    if is_protected:
        with pytest.raises(Refused) as caught:
            epub.text(Source(data))
        assert caught.value.reason is DocumentReason.DRM_PROTECTED
    else:
        assert epub.text(Source(data)).data == b"words\n"
