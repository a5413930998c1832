"""Memory follows the bounds of the queues, however many chunks a document has."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest

from chroma_sync.pipeline.extract import as_text
from fakes import one_document

MIB = 1024 * 1024
SIZE = MIB // 4
# The text and its cuts, for a moment twice; what is on its way, and the code.
BOUND = 3 * SIZE + 4 * MIB


def text(seed: int) -> bytes:
    """Lines of words that mean nothing, few of them alike."""
    chance = random.Random(seed)
    return b"".join(b"%015x\n" % chance.getrandbits(60) for _ in range(SIZE // 16))


@pytest.mark.parametrize("stands", [False, True], ids=["new", "an update"])
def test_a_document_of_very_many_chunks_flows_through(stands: bool, tmp_path: Path) -> None:
    old, new = text(1), text(2)
    data = old[: SIZE // 2] + new[SIZE // 2 :]
    with one_document.chunker() as chunker:
        standing = chunker.chunk(as_text("one.txt", old)) if stands else None
    tracemalloc.start()
    try:
        collection = one_document.stream(data, standing, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert collection.written == SIZE // 16
    assert collection.in_place == (SIZE // 32 if stands else 0)
    assert peak < BOUND, f"{peak / MIB:.1f} MiB"


def test_a_document_that_is_refused_goes_no_further(tmp_path: Path) -> None:
    data = text(1)
    with one_document.chunker() as chunker:
        standing = chunker.chunk(as_text("one.txt", b"another line\n" * (SIZE // 16)))
    refused = data[16:31].decode()
    collection = one_document.stream(data, standing, tmp_path, refused)
    assert collection.written == 0
    assert collection.asked < SIZE // 32
