"""One document of 100 MiB, cut at 16 bytes: the largest and the finest that the API allows.

Its 6.5 million chunks go through the stream of a worker of 640 MiB: into an empty collection, and
then into one where another version of it stands, half of whose chunks are the same. The embedder
costs nothing; nor does Chroma, which is a stand-in here: it forgets what is written and makes up
what stands. What waits for the last chunk of an update goes to the scratch folder.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.memory import MIB, measured
from chroma_sync.pipeline.extract import as_text
from fakes import one_document
from fakes.one_document import MAX_SIZE_BYTES

LIMIT = 640 * MIB
SIZE = 100 * MIB


def text(size: int, same: int) -> bytes:
    """Lines that mean nothing, each a chunk. The first `same` bytes are always the same."""
    chance = random.Random(1)
    lines = bytearray()
    for seed, end in ((1, same), (2, size)):
        chance.seed(seed)
        while len(lines) < end:
            lines += b"%015x\n" % chance.getrandbits(60)
    return bytes(lines)


def measure(size: int, stands: bool) -> None:
    """Stream the document in this process and print what it took, as JSON."""
    data = text(size, size // 2)
    with one_document.chunker() as chunker:
        old = text(size, size) if stands else b""
        standing = chunker.chunk(as_text("one.txt", old)) if stands else None
    with tempfile.TemporaryDirectory() as scratch:
        start = time.monotonic()
        collection = one_document.stream(data, standing, Path(scratch))
        seconds = time.monotonic() - start
        held = sum(file.stat().st_size for file in Path(scratch).iterdir())
    print(json.dumps({"written": collection.written, "seconds": seconds, "scratch": held}))


def main() -> None:
    """Print the table."""
    print(f"| {SIZE // MIB} MiB at {MAX_SIZE_BYTES} bytes | records | time | peak | scratch |")
    print("| --- | --- | --- | --- | --- |")
    for name, stands in (("new", ""), ("an update, with the standing text in memory", "stands")):
        worker = measured(LIMIT, __file__, str(SIZE), stands)
        found, peak = worker.printed, worker.peaks["worker"] / MIB
        assert found["written"] == SIZE // MAX_SIZE_BYTES
        told = f"{found['written']:,} | {found['seconds']:.0f} s | {peak:.0f} MiB"
        print(f"| {name} | {told} | {found['scratch'] / MIB:.0f} MiB |", flush=True)
    print(f"\nHard limit of the worker and its page cache: {worker.bound}.")


if __name__ == "__main__":
    measure(int(sys.argv[1]), bool(sys.argv[2]))
