"""`make test-random CASES=200 SEED=0`: so many cases, from this seed on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.pipeline import indexing
from chroma_sync.pipeline.index.chroma import Database
from random_runs.cases import REFUSED_MAX
from random_runs.world import World


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, cases = (int(os.environ.get(name) or least) for name, least in DEFAULTS)
        metafunc.parametrize("seed", range(first, first + cases))


DEFAULTS = (("SEED", 0), ("CASES", 200))


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database.embedded(tmp_path_factory.mktemp("chroma"), "default_database")
    yield database
    database.close()


@pytest.fixture
def world(chroma: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(indexing, "REFUSED_MAX", REFUSED_MAX)
    world = World(chroma._server, tmp_path)
    yield world
    world.clear()
