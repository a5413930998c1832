"""What `chroma-sync query` prints, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_sync.cli.main import main
from chroma_sync.cli.query import _shown
from chroma_sync.pipeline.index.chroma import Hit


def test_a_folder_has_one_tenant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["query", "bread", "--collection", "shop", "--path", str(tmp_path)]
    assert main([*ask, "--tenant", "team-a"]) == 2
    assert "--tenant: a Chroma in a folder has the tenant default_tenant only" in (
        capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("a\n\n  b\n", ["     a", "", "       b"]),
        ("a\nb\nc\nd\ne\nf\n", [f"     {letter}" for letter in "abcdef"]),
        ("a\n\n\n\n\nf\ng\n", ["     a", "", "", "", "", "     f", "     …"]),
        ("x" * 111, [f"     {'x' * 110}…"]),
    ],
)
def test_an_excerpt_is_the_text_up_to_a_mark(text: str, body: list[str]) -> None:
    hit = Hit({"document_key": "a.py", "start_line": 1, "end_line": 9}, text, 0.5)
    assert _shown(1, hit).split("\n") == ["1. a.py:1-9  score 0.500", *body]
