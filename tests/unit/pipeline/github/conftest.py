"""A GitHub that checks signatures, permissions and tokens for real, with git behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import repository
from fakes.github import github
from fakes.running import running
from unit.pipeline.github.kit import (
    Host,
    Recorder,
    new_state,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("github")
    (folder / "acme").mkdir()
    files = [{"a.py": repository.GeneratedFile(b"one\n")}, {"a.py": repository.GeneratedFile(b"2")}]
    return folder, repository.write(folder / "acme" / "private", files)


@pytest.fixture
def host(root: tuple[Path, list[str]]) -> Iterator[Host]:
    state = new_state()
    with github(root[0], state) as url:
        yield Host(url, state, root[1])


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with running(Recorder()) as server:
        yield server
