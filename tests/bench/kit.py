"""What the worker's benches share: a Chroma server, a whole pipeline, and a measured child."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chroma_sync.api.configuration import (
    ChromaServer,
    Configuration,
    EmbeddingConfiguration,
    RunIdentity,
)
from chroma_sync.api.kinds.github import GithubSource
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.pipeline.assembly import Surroundings, opened_tools
from chroma_sync.pipeline.embed import Model
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.toolbox import Toolbox

MAX_SIZE_BYTES = 1000  # of a chunk


@contextmanager
def chroma_server(folder: Path) -> Iterator[str]:
    """A real Chroma server on loopback. Yields its address when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(folder)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        # What is measured must not begin with a wait for it.
        Database.connect(url, "default_tenant", "default_database", retry_seconds=60).close()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def configuration(
    git: str,
    repository: str,
    chroma: str,
    run: RunIdentity,
    max_size_bytes: int = MAX_SIZE_BYTES,
) -> Configuration:
    """What a worker is told to do, by the addresses of the two servers."""
    chunking = {"type": "tree_sitter", "maxSizeBytes": max_size_bytes}
    return Configuration(
        source=f"bench/{repository}",
        database="default_database",
        chroma=ChromaServer(url=chroma),
        embedding=EmbeddingConfiguration(model="bench", url="none"),
        chunking=Chunking.model_validate(chunking),
        github=GithubSource.model_validate({"repository": f"acme/{repository}", "baseUrl": git}),
        job_template=JobTemplate(),
        run=run,
    )


@contextmanager
def toolbox(configured: Configuration, model: Model) -> Iterator[Toolbox]:
    """The worker's tools, with a scratch folder that is gone afterwards."""
    chroma, database = configured.chroma, configured.database
    surroundings = Surroundings(
        lambda _: model, lambda _: Database.connect(chroma.url, chroma.tenant, database)
    )
    with (
        tempfile.TemporaryDirectory() as scratch,
        opened_tools(configured, surroundings, Path(scratch), Progress(), StopSignal()) as tools,
    ):
        yield tools


def child(file: str, *arguments: str) -> dict[str, float]:
    """Run a bench's file in a process of its own. Returns what it prints last, as JSON."""
    command = [sys.executable, file, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=1800)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured
