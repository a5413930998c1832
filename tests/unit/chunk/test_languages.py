"""Every grammar that is installed has its file names, and none of them stops the chunker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args

import pytest
from tree_sitter_language_pack import SupportedLanguage

from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.chunk.parser import KNOWN_GOOD, KNOWN_GOOD_SIZE
from chroma_sync.pipeline.extract import as_text, language_of, languages
from unit.chunk.laws import check, language_in, strategy

CONFIG = ChunkingConfig("tree_sitter", 60, None)

# Grammars without files of their own: they are for parts of other files.
WITHOUT_FILES = {
    "comment": "TODO notes in comments",
    "doxygen": "documentation in comments",
    "gstlaunch": "GStreamer pipelines, given on command lines",
    "jsdoc": "documentation in comments",
    "luadoc": "documentation in comments",
    "luap": "Lua's patterns, in strings",
    "markdown_inline": "the inside of Markdown's blocks",
    "printf": "format strings",
    "test": "tests of tree-sitter grammars, which are *.txt",
}
COBOL = b"""\
       IDENTIFICATION DIVISION.
       PROGRAM-ID. HELLO.
       PROCEDURE DIVISION.
           DISPLAY "HELLO".
           STOP RUN.
"""
TEXTS = b"a b c\n" * 20, b"(\n{\n[\n'\"`#\n\n" * 8, b"<a b='c'>d</a>; e = f(g) # h\n" * 4, b"x" * 61


@pytest.fixture(scope="module")
def chunker() -> Iterator[Chunker]:
    with Chunker(CONFIG) as made:
        yield made


@pytest.fixture(scope="module")
def in_little_memory() -> Iterator[Chunker]:
    with Chunker(CONFIG, Limits(memory_bytes=128 * 1024**2)) as made:
        yield made


def test_every_installed_grammar_has_file_names() -> None:
    installed = set(get_args(SupportedLanguage))
    assert languages.languages() == installed - WITHOUT_FILES.keys()
    assert installed >= WITHOUT_FILES.keys()


@pytest.mark.parametrize(
    "table", [languages._SUFFIXES, languages._NAMES, languages._INTERPRETERS], ids=lambda t: len(t)
)
def test_no_word_stands_for_two_languages(table: dict[str, str]) -> None:
    words = Counter(word for words in table.values() for word in words.split())
    assert [word for word, count in words.items() if count > 1] == []
    assert all(word == word.lower() for word in words)
    assert table.keys() <= languages.languages()


@pytest.mark.parametrize("language", sorted(languages.languages()))
def test_every_grammar_loads_and_cuts(language: str, chunker: Chunker) -> None:
    if language in languages._SUFFIXES:
        name = f"a.{languages._SUFFIXES[language].split()[0]}"
    else:
        name = languages._NAMES[language].split()[0]
    # Hardly anything but COBOL gets through COBOL's grammar; what that costs, test_parser.py shows.
    for text in (COBOL,) if language == "cobol" else TEXTS:
        chunked = chunker.chunk(as_text(name, text))
        check(chunked, text, CONFIG)
        assert (language_in(chunked), chunked.fallback) == (language, None)


@pytest.mark.parametrize("language", sorted(languages.languages()))
def test_every_grammar_gets_through_the_control(language: str, in_little_memory: Chunker) -> None:
    """Else a text that is to blame would end the run."""
    cuts = in_little_memory._parser.cuts(language, KNOWN_GOOD, KNOWN_GOOD_SIZE)
    assert len(cuts) > 1


@pytest.mark.parametrize("text", TEXTS[:2])
def test_cobol_that_is_none_costs_its_syntax_only(text: bytes) -> None:
    with Chunker(CONFIG, Limits(cpu_seconds=0.3)) as chunker:
        chunked = chunker.chunk(as_text("a.cob", text))
    check(chunked, text, CONFIG)
    assert (strategy(chunked), chunked.fallback) == ("lines", "parser timed out")


@pytest.mark.parametrize(
    ("key", "head", "language"),
    [
        ("src/a.py", b"", "python"),
        ("src/A.PY", b"", "python"),
        ("bin/tool", b"#!/usr/bin/env python3\n", "python"),
        ("bin/tool", b"#!/usr/bin/env -S PATH=/x python3.11 -u\n", "python"),
        ("bin/tool", b"#!/bin/bash\n", "bash"),
        ("bin/tool", b"#!/bin/unknown\n", None),
        ("tool.py", b"#!/bin/bash\n", "python"),
        ("Makefile", b"", "make"),
        ("Makefile.am", b"", "make"),
        ("deep/Dockerfile", b"", "dockerfile"),
        ("Dockerfile.dev", b"", "dockerfile"),
        ("CMakeLists.txt", b"", "cmake"),
        ("requirements.txt", b"", "requirements"),
        ("a.h", b"int a;\n", "c"),
        ("a.h", b"\n  namespace a {\n", "cpp"),
        ("a.h", b"// a\n\n@interface A\n", "objc"),
        ("a.m", b"x = 1;\n", "matlab"),
        ("a.m", b"#import <A.h>\n", "objc"),
        ("a.pp", b"class a {\n}\n", "puppet"),
        ("a.pp", b"Unit A;\n", "pascal"),
        ("a.v", b"module a (input b);\n", "verilog"),
        ("a.v", b"module main\n\nfn main() {\n", "v"),
        ("a.cls", b"public class A {\n", "apex"),
        ("a.cls", b"% a\n\\NeedsTeXFormat{LaTeX2e}\n", "latex"),
        ("script/build", b"#!/bin/bash\n", "bash"),
        ("BUILD", b"cc_library(\n", "starlark"),
        ("Dockerfile-dev", b"", "dockerfile"),
        ("a.h", b"/*\n  using it is easy\n*/\nint a;\n", "c"),
        ("a.h", b"using namespace std;\n", "cpp"),
        ("a.m", b"@import Foundation;\n", "objc"),
        ("app_de.ts", b"<?xml version='1.0'?>\n<!DOCTYPE TS>\n", "xml"),
        ("a.ts", b"export const a = 1;\n", "typescript"),
        ("gemm.cl", b"__kernel void gemm(\n", None),
        ("a.cl", b"(defun a ())\n", "commonlisp"),
        ("a.v", b"Require Import List.\n", None),
        ("a.re", b"let a = 1;\n", None),
        ("a.cls", b"VERSION 1.0 CLASS\n", None),
        ("firestore.rules", b"rules_version = '2';\n", None),
        ("queries/highlights.scm", b"", "query"),
        ("a.scm", b"", "scheme"),
        (".gitignore", b"", "gitignore"),
        ("notes.txt", b"", None),
        ("no-suffix", b"text", None),
        (".py", b"", None),
    ],
)
def test_language_of(key: str, head: bytes, language: str | None) -> None:
    assert language_of(key, head) == language
