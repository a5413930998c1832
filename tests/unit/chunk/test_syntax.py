"""Cuts along the syntax: what is found the quick way is what all places lead to."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from chroma_sync.pipeline.chunk import syntax

FILES = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


@pytest.mark.parametrize("size", [300, 1000])
def test_the_quick_way_leads_to_the_same_cuts(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [data for file in FILES if len(data := file.read_bytes()) > size]
    quick = [syntax.syntax_cuts("python", data, size) for data in texts]
    monkeypatch.setattr(syntax._Places, "quick", lambda *_: None)
    assert [syntax.syntax_cuts("python", data, size) for data in texts] == quick
