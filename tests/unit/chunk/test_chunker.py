"""The chunker as a whole: languages, declarations, and deep nesting."""

from __future__ import annotations

import pytest

from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.extract import as_text
from unit.chunk.laws import check, language_in, strategy
from unit.chunk.snippets import SNIPPETS

CONFIG = ChunkingConfig("tree_sitter", 60, None)


@pytest.mark.parametrize("name", SNIPPETS)
def test_languages(name: str) -> None:
    data = SNIPPETS[name].encode()
    assert len(data) > CONFIG.max_size_bytes, "small files need no parse"
    with Chunker(CONFIG) as chunker:
        chunked = chunker.chunk(as_text(name, data))
    check(chunked, data, CONFIG)
    assert strategy(chunked) == "tree_sitter"
    assert language_in(chunked) is not None
    assert chunked.fallback is None


def test_declarations_with_comments_and_decorators() -> None:
    data = (
        b"import os\n\n\n# Bakes.\n# Twice.\n@cached\ndef bake(dough):\n    return oven(dough)\n"
        b"\n\n@property\ndef cool(bread):\n    return shelf(bread)\n"
    )
    with Chunker(ChunkingConfig("tree_sitter", 90, None)) as chunker:
        texts = [chunk.text for chunk in chunker.chunk(as_text("a.py", data))]
    first = b"# Bakes.\n# Twice.\n@cached\ndef bake(dough):\n    return oven(dough)\n"
    assert any(first in text for text in texts), texts
    assert any(b"@property\ndef cool(bread):\n    return shelf(bread)\n" in t for t in texts), texts


def test_deep_nesting() -> None:
    data = b"[" * 50_000 + b"]" * 50_000
    with Chunker(CONFIG) as chunker:
        chunked = chunker.chunk(as_text("a.json", data))
    check(chunked, data, CONFIG)


def test_small_siblings_are_packed_together() -> None:
    functions = [f"def f{n}():\n    return {n}\n\n\n".encode() for n in range(10, 50)]
    config = ChunkingConfig("tree_sitter", 10 * len(functions[0]), None)
    with Chunker(config) as chunker:
        texts = [chunk.text for chunk in chunker.chunk(as_text("a.py", b"".join(functions)))]
    assert texts == [b"".join(functions[n : n + 10]) for n in range(0, 40, 10)]


def test_no_crumbs_of_brackets_and_blank_lines() -> None:
    data = b"{\n" + b'  "key": [\n    "value"\n  ],\n\n\n' * 30 + b'  "last": 1\n}\n\n\n\n'
    for size in range(20, 80, 5):
        with Chunker(ChunkingConfig("tree_sitter", size, None)) as chunker:
            texts = [chunk.text for chunk in chunker.chunk(as_text("a.json", data))]
        for n, text in enumerate(texts):
            if not text.strip(b"]}, \n"):
                around = [*texts[n - 1 : n], *texts[n + 1 : n + 2]]
                assert all(len(text) + len(other) > size for other in around)
