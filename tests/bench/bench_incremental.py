"""What a small change costs: 1 % of a repository's files are edited, and it is indexed again.

Once in place (`targetPolicy: Update`), once into a new collection that takes the vectors over from
the old one; each a process of its own, over a real Git host, a real Chroma server and an embedder
of zero cost. Times are of whole processes, Python's start included.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from bench.kit import child, chroma_server, configuration, toolbox
from chroma_sync.api.configuration import RunIdentity
from chroma_sync.pipeline import steps
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel
from fakes.repository import GeneratedFile

REPOSITORY = "changing"
SMALL, LARGE = 10, 30  # folders, each with the 300 files of the tests' repository
PARTS = 16  # how often a file repeats what it says there: about 15 kB
CHANGED_SHARE = 0.01

Files = dict[str, GeneratedFile]


def files(folders: int) -> Files:
    """Some 300 files a folder, of 10 languages, no two parts of them alike."""
    return {
        f"folder{folder}/{path}": GeneratedFile(
            b"".join(file.data + b"\n%d.%d\n" % (folder, part) for part in range(PARTS))
        )
        for folder in range(folders)
        for path, file in repository.text_files().items()
    }


def edited(before: Files) -> Files:
    """The same with one line changed in the middle of every hundredth file."""
    after = dict(before)
    for path in sorted(before)[:: round(1 / CHANGED_SHARE)]:
        lines = before[path].data.splitlines(keepends=True)
        lines[len(lines) // 2] = b"edited\n"
        after[path] = GeneratedFile(b"".join(lines), before[path].mode)
    return after


def measure(
    git: str, chroma: str, sha: str, collection: str, policy: str, previous: str | None = None
) -> None:
    """Index one commit in this process and print what it took, as JSON."""
    run = RunIdentity.model_validate(
        {
            "uid": sha + collection,
            "name": "bench",
            "collection": collection,
            "targetPolicy": policy,
            "previousCollection": previous,
            "github": {"refIdentifier": {"sha": sha}},
        }
    )
    model = HashModel(dimension=384)
    with toolbox(configuration(git, REPOSITORY, chroma, run), model) as tools:
        steps.run(tools)
    written = tools.progress.result().chunks.written
    print(json.dumps({"texts": model.texts, "written": written}))


def timed(*arguments: str) -> dict[str, float]:
    """Measure in a process of its own, from its start to its end."""
    start = time.monotonic()
    measured = child(__file__, *arguments)
    return measured | {"seconds": time.monotonic() - start}


def main() -> None:
    """Print the table."""
    print(f"| {CHANGED_SHARE:.0%} of the files changed | texts embedded | written | time |")
    print("| --- | --- | --- | --- |")
    print_rows(SMALL, with_new_collection=True)
    print_rows(LARGE, with_new_collection=False)


def print_rows(folders: int, *, with_new_collection: bool) -> None:
    """Index that many folders, then again after the change."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "host"
        (root / "acme").mkdir(parents=True)
        before = files(folders)
        old, new = repository.write(root / "acme" / REPOSITORY, [before, edited(before)])
        with serving(root) as git, chroma_server(Path(folder) / "chroma") as chroma:
            full = timed(git, chroma, old, "first", "Create")
            what = f"{len(before):,} files, {full['written']:,} records, {full['seconds']:.0f} s"
            print(f"| full run ({what}) | 100 % | 100 % | 100 % |", flush=True)
            if with_new_collection:
                copied = timed(git, chroma, new, "second", "Create", "first")
                shares = _shares(copied, full)
                print(f"| new collection (aim: 1 % of the texts) | {shares} |", flush=True)
            updated = timed(git, chroma, new, "first", "Update")
            print(f"| `Update` (aim: 1 %, 1 %, below 5 %) | {_shares(updated, full)} |", flush=True)
            # That run is finished: a process starts, imports what it needs, connects and ends.
            again = _shares(timed(git, chroma, new, "first", "Update"), full)
            print(f"| the same run again: no less can be had | {again} |", flush=True)


def _shares(part: dict[str, float], full: dict[str, float]) -> str:
    shares = (part[key] / full[key] for key in ("texts", "written", "seconds"))
    return " | ".join(f"{share:.2%}" for share in shares)


if __name__ == "__main__":
    measure(*sys.argv[1:])
