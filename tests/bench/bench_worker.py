"""The worker by itself: chunks a second, the share of time spent on embedding, and peak memory.

Each measurement is a process of its own, over a real Git host and a real Chroma server.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.kit import child, chroma_server, configuration, toolbox
from chroma_sync.api.configuration import RunIdentity
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.embed import InProcess, LocalMiniLM, Model, Vectors
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel

COPIES = 5  # of the tests' repository of 300 files
LARGER = 10


class Watched(InProcess):
    """A model that notes while at least one of its calls is under way."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._calls = 0
        self._since = 0.0
        self.busy = 0.0  # seconds
        self.info, self.tokenize = model.info, model.tokenize

    def embed(self, texts: list[str]) -> Vectors:
        with self._lock:
            self._calls += 1
            if self._calls == 1:
                self._since = time.monotonic()
        try:
            return self._model.embed(texts)
        finally:
            with self._lock:
                self._calls -= 1
                if self._calls == 0:
                    self.busy += time.monotonic() - self._since


def measure(git: str, chroma: str, name: str, embedder: str) -> None:
    """Run once in this process and print what it took, as JSON."""
    model = Watched(HashModel(dimension=384) if embedder == "zero" else LocalMiniLM())
    run = RunIdentity(uid=name, name=name, collection=f"{name}-{embedder}-{time.time_ns()}")
    with toolbox(configuration(git, name, chroma, run), model) as tools:
        start = time.monotonic()
        steps.run(tools)
        seconds = time.monotonic() - start
    print(
        json.dumps(
            {
                "chunks": tools.progress.result().chunks.written,
                "seconds": seconds,
                "busy": model.busy,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def copies(count: int) -> dict[str, repository.GeneratedFile]:
    """The tests' repository so many times over, each copy a little different."""
    return {
        f"copy{n}/{path}": repository.GeneratedFile(file.data + f"\n{n}\n".encode())
        for n in range(count)
        for path, file in repository.text_files().items()
    }


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "host"
        (root / "acme").mkdir(parents=True)
        repository.write(root / "acme" / "small", [copies(COPIES)])
        repository.write(root / "acme" / "large", [copies(COPIES * LARGER)])
        repository.write(root / "acme" / "one", [copies(1)])
        with serving(root) as git, chroma_server(Path(folder) / "chroma") as chroma:
            small = child(__file__, git, chroma, "small", "zero")
            large = child(__file__, git, chroma, "large", "zero")
            real = child(__file__, git, chroma, "one", "real")
    rate = small["chunks"] / small["seconds"]
    growth = large["peak_mib"] / small["peak_mib"] - 1
    print("| worker | value |\n| --- | --- |")
    print(f"| chunks/s, embedder of zero cost ({small['chunks']:.0f} chunks) | {rate:.0f} |")
    large_rate = large["chunks"] / large["seconds"]
    print(f"| the same, {LARGER} times larger ({large['chunks']:.0f} chunks) | {large_rate:.0f} |")
    share = real["busy"] / real["seconds"]
    print(f"| share of the run's time in the real embedder (CPU model, aim 0.95) | {share:.3f} |")
    print(f"| peak memory | {small['peak_mib']:.0f} MiB |")
    print(f"| peak memory, {LARGER} times larger (aim below +10 %) | {growth:+.1%} |")


if __name__ == "__main__":
    measure(*sys.argv[1:])
