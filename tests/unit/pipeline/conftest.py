"""A whole pipeline in one process: a real Git host, an embedded Chroma, a model of zero cost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from chroma_sync.api.configuration import (
    ChromaServer,
    Configuration,
    EmbeddingConfiguration,
    RunIdentity,
)
from chroma_sync.api.kinds.github import GithubSource
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.pipeline.embed import Model
from chroma_sync.pipeline.factory import make_connector
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel

FILES = {
    "big.py": repository.GeneratedFile(
        b"".join(b"def f%d():\n    return %d\n\n\n" % (i, i) for i in range(200))
    ),
    "small.md": repository.GeneratedFile(b"# One\n\nText.\n"),
    "same.txt": repository.GeneratedFile(b"never changes\n"),
    "picture.png": repository.GeneratedFile(b"\x89PNG\0"),
}
CHANGED = {
    "big.py": repository.GeneratedFile(
        b"".join(b"def f%d():\n    return %d\n\n\n" % (i, i) for i in range(100))
    ),
    "new.txt": repository.GeneratedFile(b"is new\n"),
    "same.txt": FILES["same.txt"],
}


@pytest.fixture(scope="session")
def git_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    root = tmp_path_factory.mktemp("host")
    (root / "acme").mkdir()
    commits = repository.write(root / "acme" / "shop", [FILES, CHANGED])
    with serving(root) as url:
        yield url, commits


MakeTools = Callable[..., Toolbox]
NO_SETTINGS: Mapping[str, bool] = {}


@pytest.fixture
def make_tools(git_url: tuple[str, list[str]], tmp_path: Path) -> Iterator[MakeTools]:
    """A factory of toolboxes over one database. `sha` is the index of the commit to read, or its
    id; `branch` goes before it."""
    database = Database.embedded(tmp_path / "chroma", "default_database")
    closing: list[Callable[[], None]] = [database.close]

    def make(
        *,
        sha: int | str = 0,
        branch: str | None = None,
        repository_name: str = "acme/shop",
        base_url: str = "",
        policy: str = "Create",
        previous: str | None = None,
        source: str = "default/shop",
        collection: str = "target",
        run: str | None = None,
        model: Model | None = None,
        model_name: str = "hash",
        max_file_size: int = 1_000_000,
        globs: tuple[str, ...] = ("*",),
        github: Mapping[str, bool] = NO_SETTINGS,
        max_delete_percent: int = 50,
        allow_mass_delete: bool = False,
    ) -> Toolbox:
        url, commits = git_url
        commit = commits[sha] if isinstance(sha, int) else sha
        identity = RunIdentity.model_validate(
            {
                "uid": run or str(uuid.uuid4()),
                "name": "run",
                "collection": collection,
                "targetPolicy": policy,
                "previousCollection": previous,
                "allowMassDelete": allow_mass_delete,
                "github": {"refIdentifier": {"branch": branch} if branch else {"sha": commit}},
            }
        )
        configuration = Configuration(
            source=source,
            database="default_database",
            chroma=ChromaServer(url="embedded"),
            embedding=EmbeddingConfiguration(model=model_name, url="none"),
            chunking=Chunking.model_validate({"type": "tree_sitter", "maxSizeBytes": 100}),
            github=GithubSource.model_validate(
                {
                    "repository": repository_name,
                    "baseUrl": base_url or url,
                    "maxFileSizeBytes": max_file_size,
                    "includeGlobs": list(globs),
                    **github,
                }
            ),
            job_template=JobTemplate(),
            max_delete_percent=max_delete_percent,
            run=identity,
        )
        scratch = tmp_path / str(uuid.uuid4())
        scratch.mkdir()
        stop = StopSignal()
        fetched = make_connector(configuration, scratch, stop)
        closing.append(fetched.close)
        return Toolbox(
            *(configuration, fetched, database, model or HashModel(dimension=16), scratch),
            *(Progress(), stop),
        )

    yield make
    for close in reversed(closing):
        close()
