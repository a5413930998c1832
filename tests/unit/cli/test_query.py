"""What `chroma-sync query` refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_sync.cli.main import main


def test_a_folder_has_one_tenant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["query", "bread", "--collection", "shop", "--path", str(tmp_path)]
    assert main([*ask, "--tenant", "team-a"]) == 2
    assert "--tenant: a Chroma in a folder has the tenant default_tenant only" in (
        capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []
