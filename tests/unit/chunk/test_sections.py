"""Each chunk knows the headings above its first line."""

from __future__ import annotations

from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.text import Part, Section, Text

DATA = b"# A\n\nwords of A\n\n## B\n\nwords of B\n\nmore words of B\n"
CONFIG = ChunkingConfig("lines", 1_000, 1)


def test_the_section_of_a_chunk() -> None:
    sections = (Section(DATA.index(b"# A"), "A"), Section(DATA.index(b"## B"), "A > B"))
    text = Text(DATA, (Part(0, len(DATA), None, {"page": 3}),), sections)
    with Chunker(CONFIG) as chunker:
        found = {c.text.strip().decode(): dict(c.metadata) for c in chunker.chunk(text)}
    assert found["words of A"] == {"page": 3, "section": "A"}
    assert found["more words of B"] == {"page": 3, "section": "A > B"}


def test_blanks_before_a_heading_do_not_count() -> None:
    data = b"a\n\n\n# B\n"
    text = Text(data, (Part(0, 2, None, {}), Part(2, len(data), None, {})), (Section(4, "B"),))
    with Chunker(ChunkingConfig("lines", 1_000, None)) as chunker:
        first, second = chunker.chunk(text)
    assert (dict(first.metadata), dict(second.metadata)) == ({}, {"section": "B"})


def test_a_section_of_no_path_ends_the_one_before() -> None:
    data = b"a\nb\n"
    parts = (Part(0, 2, None, {}), Part(2, 4, None, {}))
    text = Text(data, parts, (Section(0, "A"), Section(2, "")))
    with Chunker(CONFIG) as chunker:
        assert [dict(c.metadata) for c in chunker.chunk(text)] == [{"section": "A"}, {}]
