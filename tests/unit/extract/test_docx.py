"""Word documents: what their pages show is in the text, and nothing else is."""

from __future__ import annotations

from chroma_sync.pipeline.extract import docx as module
from chroma_sync.pipeline.extract.source import Source
from chroma_sync.pipeline.text import Section
from unit.extract.samples import W, archive, docx, paragraph, relations


def read(body: str, more: dict[str, str | bytes] | None = None) -> str:
    return module.text(Source(docx(body, more))).data.decode()


def run(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(cells)}</w:tr>"


def test_headings_are_sections() -> None:
    text = module.text(Source(docx(paragraph("Top", "H1") + paragraph("Words."))))
    assert text.data == b"# Top\n\nWords.\n"
    assert text.sections == (Section(0, "Top"),)


def test_deletions_and_hidden_words_are_left_out() -> None:
    shown = run("end", '<w:vanish w:val="0"/>')
    body = (
        f"<w:p>{run('kept ')}<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        f"<w:ins>{run('inserted ')}</w:ins>{run('hidden', '<w:vanish/>')}"
        f"<w:moveFrom>{run('moved away')}</w:moveFrom>{shown}</w:p>"
    )
    assert read(body) == "kept inserted end\n"


def test_a_paragraph_whose_end_was_deleted_goes_on() -> None:
    body = f"<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{run('one ')}</w:p>" + paragraph(
        "paragraph"
    )
    assert read(body) == "one paragraph\n"


def test_fields_show_their_result() -> None:
    code = '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>'
    body = f"<w:p>{code}<w:r><w:fldChar w:fldCharType='separate'/></w:r>{run('7')}</w:p>"
    assert read(body) == "7\n"


def test_tables_with_merged_cells() -> None:
    body = "<w:tbl>{}</w:tbl>".format(
        row(cell("a"), cell("b|c"))
        + row(cell("wide", '<w:gridSpan w:val="2"/>'))
        + row(cell("tall", '<w:vMerge w:val="restart"/>'), cell("1"))
        + row(cell("", "<w:vMerge/>"), cell("2"))
    )
    assert read(body).splitlines() == [
        "| a | b\\|c |",
        "| --- | --- |",
        "| wide |  |",
        "| tall | 1 |",
        "| tall | 2 |",
    ]


def test_a_deleted_row_is_left_out_and_a_frame_is_no_table() -> None:
    deleted = f"<w:tr><w:trPr><w:del/></w:trPr>{cell('gone')}</w:tr>"
    assert read(f"<w:tbl>{row(cell('framed'))}{deleted}</w:tbl>") == "framed\n"


def test_lists_count_as_word_does() -> None:
    levels = "".join(
        f'<w:lvl w:ilvl="{n}"><w:start w:val="1"/><w:numFmt w:val="decimal"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for n, text in enumerate(("%1.", "%1.%2"))
    )
    bullet = '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="*"/></w:lvl>'
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="5">{levels}</w:abstractNum>'
        f'<w:abstractNum w:abstractNumId="6">{bullet}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="5"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="6"/></w:num></w:numbering>'
    )

    def item(text: str, level: int, list_id: int) -> str:
        place = f'<w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/>'
        return f"<w:p><w:pPr><w:numPr>{place}</w:numPr></w:pPr>{run(text)}</w:p>"

    items = (("a", 0, 1), ("b", 1, 1), ("c", 1, 1), ("d", 0, 1), ("e", 1, 1), ("f", 0, 2))
    rels = relations(("styles", "styles.xml"), ("numbering", "numbering.xml"))
    more: dict[str, str | bytes] = {
        "word/numbering.xml": numbering,
        "word/_rels/document.xml.rels": rels,
    }
    assert read("".join(item(*one) for one in items), more).splitlines() == [
        "1. a",
        "  1.1 b",
        "  1.2 c",
        "2. d",
        "  2.1 e",
        "- f",
    ]


def test_notes_comments_and_text_boxes_stand_by_their_paragraph() -> None:
    box = (
        '<w:r><mc:AlternateContent xmlns:mc="m"><mc:Choice><w:drawing><x:txbx xmlns:x="x">'
        f"<w:txbxContent>{paragraph('in a box')}</w:txbxContent></x:txbx></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><w:txbxContent>{paragraph('in a box')}</w:txbxContent></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )
    body = (
        f'<w:p>{run("words")}<w:r><w:footnoteReference w:id="2"/></w:r>'
        f'<w:r><w:commentReference w:id="0"/></w:r>{box}</w:p>{paragraph("after")}'
    )
    more: dict[str, str | bytes] = {
        "word/footnotes.xml": (
            f'<w:footnotes {W}><w:footnote w:id="2">{paragraph("a note")}</w:footnote>'
            "</w:footnotes>"
        ),
        "word/comments.xml": (
            f'<w:comments {W}><w:comment w:id="0" w:author="Ada">{paragraph("why?")}</w:comment>'
            "</w:comments>"
        ),
        "word/_rels/document.xml.rels": relations(
            ("footnotes", "footnotes.xml"), ("comments", "comments.xml")
        ),
    }
    assert read(body, more).split("\n\n") == [
        "words[^2]",
        "in a box",
        "[^2]: a note",
        "> Comment by Ada: why?",
        "after\n",
    ]


def test_code_is_known_by_its_font() -> None:
    mono = '<w:rFonts w:ascii="Courier New"/>'
    body = f"<w:p>{run('if x:', mono)}</w:p><w:p>{run('    y()', mono)}</w:p>"
    assert read(body.replace("<w:t>", '<w:t xml:space="preserve">')) == (
        "```\nif x:\n    y()\n```\n"
    )


def test_the_header_of_the_first_page_stands_once() -> None:
    section = (
        '<w:sectPr><w:headerReference w:type="default" r:id="rId1"/>'
        '<w:footerReference w:type="default" r:id="rId2"/></w:sectPr>'
    )
    margins = ("header", "header1.xml"), ("footer", "footer1.xml")
    more: dict[str, str | bytes] = {
        "word/header1.xml": f"<w:hdr {W}>{paragraph('Letterhead')}</w:hdr>",
        "word/footer1.xml": f"<w:ftr {W}>{paragraph('Page 1 of 2')}</w:ftr>",
        "word/_rels/document.xml.rels": relations(*margins),
    }
    assert read(paragraph("Words.") + section, more) == "Letterhead\n\nWords.\n"
    title_page = section.replace("</w:sectPr>", "<w:titlePg/></w:sectPr>")
    assert read(paragraph("Words.") + title_page, more) == "Words.\n"


def test_a_document_in_a_document() -> None:
    rels = relations(("aFChunk", "chunk.htm"), ("aFChunk", "chunk.docx"))
    more: dict[str, str | bytes] = {
        "word/chunk.htm": "<p>from <b>HTML</b></p>",
        "word/chunk.docx": docx(paragraph("from Word")),
        "word/_rels/document.xml.rels": rels,
    }
    body = '<w:altChunk r:id="rId1"/><w:altChunk r:id="rId2"/>'
    assert read(body, more) == "from HTML\n\nfrom Word\n"


def test_links_name_where_they_lead() -> None:
    rels = relations(("hyperlink", "https://example.org/a"), outside=True)
    body = f'<w:p><w:hyperlink r:id="rId1">{run("there")}</w:hyperlink></w:p>'
    assert read(body, {"word/_rels/document.xml.rels": rels}) == "[there](https://example.org/a)\n"


def test_formulas_stand_on_their_line() -> None:
    fraction = "<m:f><m:num><m:t>a</m:t></m:num><m:den><m:t>b</m:t></m:den></m:f>"
    body = f'<w:p>{run("x = ")}<m:oMath xmlns:m="m">{fraction}</m:oMath></w:p>'
    assert read(body.replace("<w:t>", '<w:t xml:space="preserve">')) == "x = (a)/(b)\n"


def test_parts_are_found_by_their_relations() -> None:
    data = archive(
        {
            "_rels/.rels": relations(("officeDocument", "/doc/main.xml")),
            "doc/main.xml": f"<w:document {W}><w:body>{paragraph('Found.')}</w:body></w:document>",
        }
    )
    assert module.text(Source(data)).data == b"Found.\n"
