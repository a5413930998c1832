"""`make bench-chunk`: our chunker beside a bare parse and other chunkers, on the same real files.

Everything runs in one process, in rounds in which each candidate cuts every file once; speeds are
medians, by CPU time. Our first row is all that a run does with a file, but parsed in this process;
the second is the same with its child process, whose time and the way there and back are counted.
Neither parses files that fit into one chunk, as a run does not: the other candidates and the bare
parse do.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from bench import chunk_corpus, peers_environment  # noqa: E402
from bench.chunk_candidates import BARE, OURS, PEERS, Candidate, Split  # noqa: E402
from bench.chunk_corpus import File  # noqa: E402
from bench.chunk_laws import print_whole_trees  # noqa: E402

LIMITS = 2_000, 8_192
ROUNDS = 7
MEGABYTES_EACH = 0.7
_TINY = 0.05  # of the limit


@dataclass(frozen=True)
class Quality:
    """What a candidate made of all files."""

    over: int  # chunks over the limit
    lost: int  # files that its chunks do not join to, or that it refused
    tiny: int
    chunks: int


def main() -> None:
    """Print the tables."""
    files = chunk_corpus.sample(MEGABYTES_EACH)
    languages = sorted({file.language for file in files})
    size = sum(len(file.data) for file in files)
    print(f"Python {platform.python_version()}, {platform.machine()}; {ROUNDS} rounds over:")
    for language in languages:
        of_it = [len(file.data) for file in files if file.language == language]
        print(f"  {language}: {len(of_it)} files, {sum(of_it) / 1e6:.1f} MB")
    for limit in LIMITS:
        print_table(limit, files, languages, size)
    print_whole_trees()


def print_table(limit: int, files: list[File], languages: list[str], size: int) -> None:
    missing = peers_environment.missing()
    here = [c for c in (BARE, *OURS, *PEERS) if c.package not in missing]
    splits = {candidate: candidate.make(limit, languages) for candidate in here}
    quality = {c: judge(c, splits[c], files, limit) for c in here}
    seconds: dict[Candidate, list[float]] = {candidate: [] for candidate in here}
    gc.collect()
    gc.freeze()  # what one of them has loaded must not slow the others
    for _ in range(ROUNDS):
        for candidate in here:
            seconds[candidate].append(time_of(splits[candidate], files))
    print(
        f"\n| chunks of at most {limit:,} bytes | MB/s | of a bare parse | over the limit ", end=""
    )
    print("| files with lost text | tiny chunks |\n| --- | --- | --- | --- | --- | --- |")
    for candidate in (BARE, *OURS, *PEERS):
        if candidate in seconds:
            speed = size / 1e6 / median(seconds[candidate])
            rounds = zip(seconds[BARE], seconds[candidate], strict=True)
            ratio = median(bare / own for bare, own in rounds)
            told = "- | - | -" if candidate is BARE else as_cells(quality[candidate])
            print(f"| {candidate.name} | {speed:.1f} | {ratio:.2f} | {told} |")
        else:
            why = missing[candidate.package or ""].strip()
            print(f"| {candidate.name} | not installed: {why} |||||")
    counted = ", ".join(c.name for c in PEERS if c.unit == "characters")
    print(f"\nThe limit is in bytes, but in characters for {counted}.")
    print("Ours do not parse files that fit into one chunk, as a run does not; all others do.")


def time_of(split: Split, files: list[File]) -> float:
    start = cpu_seconds()
    for file in files:
        try:
            split(file)
        except ValueError:  # counted by `judge`
            continue
    return cpu_seconds() - start


def cpu_seconds() -> float:
    """The CPU time of this process and its children: the wall clock would measure the neighbours,
    too."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    # The first number there is nanoseconds.
    times = (int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in children)
    return time.process_time() + sum(times) / 1e9


def judge(candidate: Candidate, split: Split, files: list[File], limit: int) -> Quality:
    """Also loads the grammars and prepares the texts, before anything is timed."""
    over = lost = tiny = chunks = 0
    for file in files:
        try:
            texts = [t.encode() if isinstance(t, str) else t for t in split(file)]
        except ValueError:  # how they refuse a file whose syntax is broken
            texts = []
        sizes = [len(text if candidate.unit == "bytes" else text.decode()) for text in texts]
        over += sum(size > limit for size in sizes)
        tiny += sum(size < _TINY * limit for size in sizes) if len(sizes) > 1 else 0
        lost += b"".join(texts) != file.data
        chunks += len(texts)
    return Quality(over, lost, tiny, chunks)


def as_cells(quality: Quality) -> str:
    return f"{quality.over} | {quality.lost} | {quality.tiny / max(quality.chunks, 1):.1%}"


if __name__ == "__main__":
    main()
