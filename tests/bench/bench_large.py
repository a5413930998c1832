"""A repository of 100,000 files and 2 GB goes through a worker of 512 MiB.

The worker's own steps plan and work run in a process under a memory cgroup, with the git and parser
processes that they start; all of them, and the page cache of what they read and write, share its
512 MiB. The embedder costs nothing. Chroma is a real server, but for the writes: they end at a
proxy that takes them like Chroma and drops them, for Chroma would take an hour. So there is no
finish, which would find nothing written; the listing that it keeps is made all the same.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench.kit import chroma_server, configuration, toolbox
from bench.memory import MIB, measured
from chroma_sync.api.configuration import RunIdentity
from chroma_sync.pipeline import steps
from fakes import gate
from fakes.git_host import serving
from fakes.hash_model import HashModel
from fakes.proxy import Asked
from fakes.running import running
from fakes.scripted_tei import Reply

LIMIT = 512 * MIB
REPOSITORY = "large"
FILES = 100_000
FOLDERS = 1_000
FUNCTIONS = 50  # a file; about 20 kB
MAX_SIZE_BYTES = 8192  # of a chunk
WORDS, POOL = 4_096, 20_000
DIMENSION = 16  # to save the time that the proxy takes to read vectors


def functions(chance: random.Random) -> list[bytes]:
    """A pool of Python functions made of words that mean nothing, so that they hardly compress."""
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(WORDS)]
    pool = []
    for _ in range(POOL):
        name, *some = chance.choices(words, k=32)
        body = "".join(
            f"    {a} = {b}({c!r}, {chance.randrange(10**6)}) + {d}\n"
            for a, b, c, d in zip(*[iter(some)] * 4, strict=False)
        )
        pool.append(f"def {name}({some[-1]}):\n{body}    return {some[0]}\n\n\n".encode())
    return pool


def write_repository(repository: Path) -> tuple[str, int]:
    """Make it. Returns its commit and the bytes of all files."""
    chance = random.Random(2)
    pool = functions(chance)
    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
    git = ["git", "-C", str(repository), "-c", "core.compression=1"]
    size = 0
    with subprocess.Popen([*git, "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"commit refs/heads/main\ncommitter A <a@example.org> 0 +0000\n")
        process.stdin.write(b"data 0\n\n")
        some: list[bytes] = []
        for number in range(FILES):
            # Half of it stood in the file before, so git stores deltas, as it does everywhere.
            some = some[FUNCTIONS // 2 :] + chance.choices(pool, k=FUNCTIONS - len(some) // 2)
            data = b"# %d\n" % number + b"".join(some)
            path = b"folder%03d/module%06d.py" % (number % FOLDERS, number)
            process.stdin.write(b"M 100644 inline %b\ndata %d\n%b\n" % (path, len(data), data))
            size += len(data)
    assert process.returncode == 0
    done = subprocess.run([*git, "rev-parse", "main"], check=True, capture_output=True, text=True)
    return done.stdout.strip(), size


class _Dropping(gate._Handler):
    """Takes writes and forgets them; passes on everything else."""

    def reply(self, asked: Asked) -> Reply | None:
        if not asked.path.endswith("/upsert"):
            return super().reply(asked)
        return 200, "application/json", b"{}"


@contextmanager
def dropping(chroma: str) -> Iterator[str]:
    """A proxy before Chroma that drops writes. Yields its address."""
    upstream = urlsplit(chroma)
    server = gate.Gate(("127.0.0.1", 0), (upstream.hostname or "", upstream.port or 0))
    server.RequestHandlerClass = _Dropping
    with running(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


def measure(git: str, chroma: str, sha: str) -> None:
    """Fetch and stream in this process and print what it took, as JSON."""
    run = RunIdentity.model_validate(
        {
            "uid": "large",
            "name": "large",
            "collection": "large",
            "github": {"refIdentifier": {"sha": sha}},
        }
    )
    configured = configuration(git, REPOSITORY, chroma, run, MAX_SIZE_BYTES)
    with toolbox(configured, HashModel(dimension=DIMENSION)) as tools:
        steps.plan(tools)
        start = time.monotonic()
        tools.connector.prepare(sha)
        fetched = time.monotonic()
        steps.work(tools)
        streamed = time.monotonic()
        scratch = [file for file in tools.scratch.rglob("*") if file.is_file()]
        result = tools.progress.result()
    print(
        json.dumps(
            {
                "fetch": fetched - start,
                "stream": streamed - fetched,
                "files": result.documents.indexed,
                "bytes": result.bytes,
                "chunks": result.chunks.written,
                "scratch": sorted(file.name for file in scratch),
            }
        )
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "host"
        (root / "acme").mkdir(parents=True)
        sha, size = write_repository(root / "acme" / REPOSITORY)
        with (
            serving(root) as git,
            chroma_server(Path(folder) / "chroma") as chroma,
            dropping(chroma) as address,
        ):
            worker = measured(LIMIT, __file__, git, address, sha)
    found = worker.printed
    assert (found["files"], found["bytes"]) == (FILES, size)
    print("| large repository | value |\n| --- | --- |")
    print(f"| files | {FILES:,} |")
    print(f"| bytes | {size:,} |")
    print(f"| hard limit of worker, git, parser and page cache | {worker.bound} |")
    print(f"| fetch | {found['fetch']:.0f} s |")
    print(f"| stream ({found['chunks']:,} chunks) | {found['stream']:.0f} s |")
    for kind in ("worker", "git", "parser", "together"):
        print(f"| peak of anonymous memory, {kind} | {worker.peaks[kind] / MIB:.0f} MiB |")
    paths = sum(name.startswith("module") for name in found["scratch"])
    print(f"| files on the scratch folder | {len(found['scratch'])} |")
    print(f"| of them with a path of the repository (aim: 0) | {paths} |")


if __name__ == "__main__":
    measure(*sys.argv[1:])
