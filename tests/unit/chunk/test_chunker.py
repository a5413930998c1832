# ruff: noqa: E501 - one snippet a line reads best
"""The chunker as a whole: languages, declarations, and deep nesting."""

from __future__ import annotations

import pytest

from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig, language_of
from unit.chunk.laws import check

CONFIG = ChunkingConfig("tree_sitter", 60, None)
SNIPPETS = {
    "a.py": "def first():\n    return 1\n\n\ndef second():\n    return 'two and three'\n",
    "a.js": "function first() { return 1; }\n\nfunction second() { return 'two and three'; }\n",
    "a.ts": "function first(): number { return 1; }\n\nfunction second(): string { return 'two'; }\n",
    "a.tsx": "const a = () => <b>one</b>;\n\nconst second = () => <i>two and three, four</i>;\n",
    "a.go": "package a\n\nfunc First() int { return 1 }\n\nfunc Second() string { return `two, three` }\n",
    "a.rs": 'fn first() -> i32 { 1 }\n\nfn second() -> &\'static str { "two and three and four" }\n',
    "A.java": "class A { int first() { return 1; } }\n\nclass B { int second() { return 2222; } }\n",
    "a.c": "int first(void) { return 1; }\n\nint second(void) { return 2 + 3 + 4 + 5 + 6 + 7; }\n",
    "a.cpp": "int first() { return 1; }\n\ntemplate <class T> T second(T two) { return two + 3; }\n",
    "a.cs": 'class A { int First() => 1; }\n\nclass B { string Second() => "two and three"; }\n',
    "a.rb": "def first\n  1\nend\n\ndef second\n  'two and three and four and five and six'\nend\n",
    "a.php": "<?php\nfunction first() { return 1; }\n\nfunction second() { return 'two and 3'; }\n",
    "a.kt": 'fun first(): Int = 1\n\nfun second(): String = "two and three and four and five"\n',
    "a.swift": 'func first() -> Int { 1 }\n\nfunc second() -> String { "two and three and four" }\n',
    "a.scala": 'object A { def first = 1 }\n\nobject B { def second = "two and three and four" }\n',
    "a.sh": "first() {\n  echo 1\n}\n\nsecond() {\n  echo two and three and four and five\n}\n",
    "a.lua": "function first() return 1 end\n\nfunction second() return 'two and three' end\n",
    "a.css": ".first { color: red; }\n\n.second { color: blue; background: green; margin: 0; }\n",
    "a.html": "<div><p>first</p></div>\n<section><p>second, and some more words</p></section>\n",
    "a.json": '{"first": [1, 2, 3, 4, 5, 6], "second": {"two": "three", "four": "five six"}}\n',
    "a.yaml": "first:\n  - 1\n  - 2\nsecond:\n  two: three\n  four: five and six and seven\n",
    "a.toml": "[first]\none = 1\n\n[second]\ntwo = 'three'\nfour = 'five and six and seven'\n",
    "a.sql": "SELECT one FROM first;\n\nSELECT two, three, four FROM second WHERE five = 6;\n",
    "a.md": "# First\n\nOne.\n\n## Second\n\nTwo and three and four and five and six.\n",
    "a.hs": 'first :: Int\nfirst = 1\n\nsecond :: String\nsecond = "two and three and four"\n',
    "a.ex": "defmodule A do\n  def first, do: 1\nend\n\ndefmodule B do\n  def second, do: 2\nend\n",
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_languages(name: str) -> None:
    data = SNIPPETS[name].encode()
    assert len(data) > CONFIG.max_size_bytes, "small files need no parse"
    with Chunker(CONFIG) as chunker:
        chunked = chunker.chunk(name, data)
    check(chunked, data, CONFIG)
    assert chunked.strategy == "tree_sitter"
    assert chunked.language is not None
    assert chunked.fallback is None


@pytest.mark.parametrize(
    ("key", "head", "language"),
    [
        ("src/a.py", b"", "python"),
        ("bin/tool", b"#!/usr/bin/env python3\n", "python"),
        ("bin/tool", b"#!/bin/bash\n", "bash"),
        ("Makefile", b"", "make"),
        ("deep/Dockerfile", b"", "dockerfile"),
        ("notes.txt", b"", None),
        ("no-suffix", b"text", None),
    ],
)
def test_language_of(key: str, head: bytes, language: str | None) -> None:
    assert language_of(key, head) == language


def test_declarations_with_comments_and_decorators() -> None:
    data = (
        b"import os\n\n\n# Bakes.\n# Twice.\n@cached\ndef bake(dough):\n    return oven(dough)\n"
        b"\n\n@property\ndef cool(bread):\n    return shelf(bread)\n"
    )
    with Chunker(ChunkingConfig("tree_sitter", 90, None)) as chunker:
        texts = [chunk.text for chunk in chunker.chunk("a.py", data).chunks]
    first = b"# Bakes.\n# Twice.\n@cached\ndef bake(dough):\n    return oven(dough)\n"
    assert any(first in text for text in texts), texts
    assert any(b"@property\ndef cool(bread):\n    return shelf(bread)\n" in t for t in texts), texts


def test_deep_nesting() -> None:
    data = b"[" * 50_000 + b"]" * 50_000
    with Chunker(CONFIG) as chunker:
        chunked = chunker.chunk("a.json", data)
    check(chunked, data, CONFIG)
