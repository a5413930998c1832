"""Cuts along the syntax: what is found the quick way is what all places lead to."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from chroma_sync.pipeline.chunk import syntax

FILES = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))

# What once came out differently, by its language.
ODD = {
    # A huge leaf is the last of its siblings,
    "c": "int first;\n#define SECOND(name) \\\n" + "    int name##_third; \\\n" * 40 + "\nint z;\n",
    # and nothing follows it.
    "go": "package a\n\nvar first = 1\n\nvar second = `\n" + "the text has no end\n" * 40,
    # No node covers the text of a block.
    "yaml": "- one:\n    two: 3\n    four: |\n" + "      five and six\n" * 40 + "- seven: 8\n",
    # Nor that between brackets.
    "markdown": "# One\n\n```\n" + "some [a]\nwords here and\n\n$ there [b][c]\n" * 20 + "```\n",
    # From the 257th comment, tree-sitter's way back leads to the package.
    "proto": 'syntax = "proto3";\npackage a;\n' + "// one line\n" * 300 + "message A {}\n",
}


def assert_the_same_cuts(
    language: str, texts: list[bytes], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [syntax.syntax_cuts(language, data, size) for data in texts]
    with monkeypatch.context() as patch:
        patch.setattr(syntax._Places, "quick", lambda *_: None)
        assert [syntax.syntax_cuts(language, data, size) for data in texts] == quick


@pytest.mark.parametrize("size", [300, 1000])
def test_the_quick_way_leads_to_the_same_cuts(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [data for file in FILES if len(data := file.read_bytes()) > size]
    assert_the_same_cuts("python", texts, size, monkeypatch)


@pytest.mark.parametrize("language", ODD)
def test_so_it_does_in_odd_trees(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(24, 400, 5):
        assert_the_same_cuts(language, [ODD[language].encode()], size, monkeypatch)
