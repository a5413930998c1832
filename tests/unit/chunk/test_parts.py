"""Texts of several parts: no chunk reaches over an edge, and each says what its part is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.chunk.chunks import Strategy
from chroma_sync.pipeline.text import Part, Text
from unit.chunk.laws import check, strategy

CODE = "def bake(dough):\n    return oven(dough)\n\n\ndef cool(bread):\n    return shelf(bread)\n"
PAGE = "# Bread\n\nTo bake, heat the oven first.\n\n## Cool\n\nThen let it cool on a shelf.\n"


def text_of(*parts: tuple[str, str | None]) -> Text:
    """A text of parts, each with its number."""
    data, made = b"", []
    for number, (text, language) in enumerate(parts, 1):
        end = len(data) + len(text.encode())
        made.append(Part(len(data), end, language, {"cell_number": number}))
        data += text.encode()
    return Text(data, tuple(made))


@pytest.fixture(scope="module")
def chunker() -> Iterator[Chunker]:
    with Chunker(ChunkingConfig("tree_sitter", 60, None)) as made:
        yield made


def test_each_part_is_cut_by_its_own_language(chunker: Chunker) -> None:
    text = text_of((PAGE, "markdown"), (CODE, "python"), ("plain " * 20, None), ("x", "python"))
    chunked = chunker.chunk(text)
    check(chunked, text.data, ChunkingConfig("tree_sitter", 60, None))
    ways = {(c.metadata["cell_number"], c.language, c.strategy) for c in chunked}
    assert ways == {
        (1, "markdown", "tree_sitter"),
        (2, "python", "tree_sitter"),
        (3, None, "lines"),
        (4, "python", "tree_sitter"),
    }
    alone = chunker.chunk(text_of((CODE, "python")))
    inside = [c for c in chunked if c.metadata["cell_number"] == 2]
    assert [c.text for c in inside] == [c.text for c in alone]
    assert inside[0].start_line == 1 + PAGE.count("\n")


languages = st.sampled_from(["python", "markdown", "json", None])
some_parts = st.lists(st.tuples(st.text("aü \n#{}[]:\r", min_size=1, max_size=90), languages))


@given(some_parts, st.sampled_from(["tree_sitter", "lines"]), st.integers(4, 50))
def test_the_laws_hold_for_any_parts(
    parts: list[tuple[str, str | None]], how: Strategy, size: int
) -> None:
    text = text_of(*parts)
    config = ChunkingConfig(how, size, 3 if how == "lines" else None)
    limits = Limits(memory_bytes=1)  # no parse: its cuts keep the laws by other tests
    with Chunker(config, limits) as chunker:
        chunked = chunker.chunk(text)
    check(chunked, text.data, config)
    edges = {part.end for part in text.parts}
    ends: list[int] = []
    for chunk in chunked:
        ends.append((ends[-1] if ends else 0) + len(chunk.text))
    assert edges <= set(ends)
    for chunk, end in zip(chunked, ends, strict=True):
        part = text.parts[int(chunk.metadata["cell_number"]) - 1]
        assert part.start < end <= part.end
        assert chunk.language == part.language


def test_where_one_part_gives_up_its_syntax_all_do() -> None:
    """So that there are two ways to cut a text, and not one for each of its parts."""
    text = text_of((CODE, "python"), ("x\n" * 40, "cobol"), (PAGE, "markdown"))
    config = ChunkingConfig("tree_sitter", 60, None)
    with Chunker(config, Limits(cpu_seconds=0.3)) as chunker:
        chunked = chunker.chunk(text)
    check(chunked, text.data, config)
    assert (strategy(chunked), chunked.fallback) == ("lines", "parser timed out")
    assert {c.language for c in chunked} == {"python", "cobol", "markdown"}
