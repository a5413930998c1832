"""Presentations: slides in the order of showing, with all that stands on them."""

from __future__ import annotations

from chroma_sync.pipeline.extract import pptx as module
from chroma_sync.pipeline.extract.source import Source
from unit.extract.samples import A, P, R, pptx, relations, shape


def test_slides_are_parts_in_the_order_of_showing() -> None:
    order = '<p:sldIdLst><p:sldId id="1" r:id="rId2"/><p:sldId id="2" r:id="rId1"/></p:sldIdLst>'
    more = {"ppt/presentation.xml": f"<p:presentation {P} {R}>{order}</p:presentation>"}
    data = pptx(
        shape("Second", "title"), shape("First", "title") + shape("a\nb", "body"), more=more
    )
    text = module.text(Source(data))
    assert text.data.decode() == "## First\n\n- a\n- b\n\n## Second\n"
    assert [dict(part.metadata) for part in text.parts] == [{"slide": 1}, {"slide": 2}]
    assert [section.path for section in text.sections] == ["First", "", "Second"]


def test_a_title_stands_first_and_numbers_are_left_out() -> None:
    data = pptx(shape("5", "sldNum") + shape("Words") + shape("Title", "ctrTitle"))
    assert module.text(Source(data)).data == b"## Title\n\nWords\n"


def test_tables_notes_and_groups() -> None:
    def cell(text: str, more: str = "") -> str:
        return f"<a:tc {more}><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>"

    below = cell("", 'vMerge="1"')
    table = (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tr>{cell('a')}{cell('b')}</a:tr>"
        f"<a:tr>{below}{cell('c')}</a:tr></a:tbl></a:graphicData></a:graphic>"
        "</p:graphicFrame>"
    )
    notes = f"<p:notes {P} {A}><p:cSld><p:spTree>{shape('Say this.', 'body')}{shape('1', 'sldNum')}"
    more = {
        "ppt/slides/_rels/slide1.xml.rels": relations(("notesSlide", "../notes.xml")),
        "ppt/notes.xml": f"{notes}</p:spTree></p:cSld></p:notes>",
    }
    group = f"<p:grpSp>{shape('grouped')}</p:grpSp>"
    text = module.text(Source(pptx(table + group, more=more))).data.decode()
    assert text == "| a | b |\n| --- | --- |\n| a | c |\n\ngrouped\n\n> Notes: Say this.\n"


def test_charts_and_diagrams() -> None:
    points = "<c:pt idx='0'><c:v>{}</c:v></c:pt>"
    chart = (
        "<c:chart xmlns:c='c'><c:title><a:t xmlns:a='a'>Ducks</a:t></c:title><c:ser>"
        f"<c:tx><c:v>Wild</c:v></c:tx><c:cat>{points.format('2024')}</c:cat>"
        f"<c:val>{points.format('120')}</c:val></c:ser></c:chart>"
    )
    words = "<d:t><a:p><a:r><a:t>Boss</a:t></a:r></a:p></d:t>"
    diagram = f"<d:m xmlns:d='d' xmlns:a='a'><d:pt>{words}</d:pt></d:m>"
    frame = (
        '<p:graphicFrame><c:chart xmlns:c="c" r:id="rId1"/></p:graphicFrame>'
        '<p:graphicFrame><d:relIds xmlns:d="d" r:dm="rId2"/></p:graphicFrame>'
    )
    more = {
        "ppt/slides/_rels/slide1.xml.rels": relations(
            ("chart", "../c.xml"), ("diagramData", "../d.xml")
        ),
        "ppt/c.xml": chart,
        "ppt/d.xml": diagram,
    }
    text = module.text(Source(pptx(frame, more=more))).data.decode()
    assert text == "Ducks\n\n|  | Wild |\n| --- | --- |\n| 2024 | 120 |\n\n- Boss\n"
