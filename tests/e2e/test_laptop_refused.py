"""What is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.kit import chroma_sync, objects, written


@pytest.mark.parametrize("option", ["--chroma", "--tei"])
def test_an_address_without_its_scheme(git_url: str, tmp_path: Path, option: str) -> None:
    files = written(tmp_path, objects(git_url))
    done = chroma_sync(tmp_path, "run", *files, option, "localhost:8000")
    assert done.returncode == 2
    assert f"{option}: must begin with http:// or https://" in done.stderr


def test_a_report_that_cannot_be_written(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url))
    done = chroma_sync(tmp_path, "run", *files, "--report", "no/such/folder")
    assert done.returncode == 2
    assert "--report: no/such/folder can't be written" in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embedding": {"dense": {"model": "Qwen/Qwen3-Embedding-0.6B"}}}, ["--tei", "--model"]),
        ({"suspend": "yes"}, ["Source/shop", "suspend"]),
        ({"suspend": True}, ["Source/shop", "spec.suspend is true"]),
        ({"github": {"repository": "shop"}}, ["Source/shop", "spec.github.repository"]),
        ({"deletionPolicy": "Delete"}, ["Source/shop", "deletionPolicy", "NotImplemented"]),
    ],
)
def test_what_is_refused(
    git_url: str, tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    items = objects(git_url)
    items[0]["spec"] |= change
    refused = chroma_sync(tmp_path, "run", *written(tmp_path, items))
    assert refused.returncode in (2, 64)
    for word in words:
        assert word in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_cancelled_invocation_is_refused(git_url: str, tmp_path: Path) -> None:
    items = objects(git_url)
    items[1]["spec"]["cancel"] = True
    refused = chroma_sync(tmp_path, "run", *written(tmp_path, items))
    assert refused.returncode == 2
    assert "Invocation/run: spec.cancel is true" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "x", "--collection", "none"], "there is no folder"),
        (["query", "x", "--collection", "c", "--limit", "0"], "--limit"),
        (["query", " ", "--collection", "c"], "TEXT"),
        (["run", "-f", "absent.yaml"], "absent.yaml can't be read"),
        (["query", "x", "--collection", "c", "--path", "a-file"], "a-file is not a folder"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "a-file").touch()
    done = chroma_sync(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
