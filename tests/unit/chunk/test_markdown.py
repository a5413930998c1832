"""Markdown is cut by its structure."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.extract import as_text
from unit.chunk.laws import check, strategy

GUIDE = (Path(__file__).parent / "samples" / "guide.md").read_bytes()
HEADINGS = [b"# Guide\n", b"## Install\n", b"## Use\n", b"--------------\n", b"### Deeper\n"]
BLOCKS = {
    "front matter": b"---\ntitle: Guide\n---\n",
    "fenced code": b"```sh\nmake setup\n# A comment, which is not a heading.\n\nmake demo\n```\n",
    "tildes": b"~~~python\ndef first():\n    return 1\n\n\ndef second():\n    return 2\n~~~\n",
    "table": GUIDE[GUIDE.index(b"| name") : GUIDE.index(b"\n## Use")],
    "quotation": b"> A quotation\n> of two lines.\n",
    "setext heading": b"Setext heading\n--------------\n",
}


def chunks(size: int) -> list[bytes]:
    config = ChunkingConfig("tree_sitter", size, None)
    with Chunker(config) as chunker:
        chunked = chunker.chunk(as_text("guide.md", GUIDE))
    check(chunked, GUIDE, config)
    assert strategy(chunked) == "tree_sitter"
    return [chunk.text for chunk in chunked]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_whole_wherever_it_fits(block: str) -> None:
    text = BLOCKS[block]
    assert text in GUIDE
    for size in (len(text), len(text) + 1, len(text) + 50, 2 * len(text), 600):
        assert any(text in chunk for chunk in chunks(size)), f"cut at {size} bytes"


# At 140 bytes each heading fits into a chunk together with the block below it.
@pytest.mark.parametrize("size", range(140, 600, 30))
def test_no_chunk_ends_with_a_heading(size: int) -> None:
    for chunk in chunks(size):
        assert not any(chunk.rstrip(b"\n").endswith(h.rstrip(b"\n")) for h in HEADINGS), chunk


def test_sections_are_packed_whole() -> None:
    section = GUIDE[GUIDE.index(b"## Use") : GUIDE.index(b"Setext")]
    assert any(section in chunk for chunk in chunks(400))
