"""What crosses between operator and pods: results fit their limits and survive the way."""

from __future__ import annotations

import json

import pytest

from chroma_sync.api.contract import (
    FAILURES_MAX,
    NOTES_MAX,
    RESULT_MAX_BYTES,
    Result,
    decode_result,
    encode_result,
    merge_results,
)
from chroma_sync.api.invocation import ChunkCounts, CollectionStatus, DocumentCounts, Failure


def failure(text: str) -> Failure:
    return Failure(document=text[:2000], reason="EmbeddingRejected", message=text[:4000])


def test_a_result_survives_the_way() -> None:
    result = Result(
        reason="RefNotFound",
        message="no such branch",
        revision="0" * 40,
        documents=DocumentCounts(discovered=3, indexed=2, failed=1),
        skipped={"Binary": 1},
        chunks=ChunkCounts(produced=9, embedded=9, written=9),
        bytes=1234,
        collection=CollectionStatus(name="docs", id="1-2", records=9),
        failures=[failure("a.txt")],
        notes=["spec.github.includeGlobs: '*.rs' matches no file."],
    )
    assert decode_result(encode_result(result)) == result


@pytest.mark.parametrize("text", ["x", "ü", "日", "\n", '"', "\x00", "😀"])
def test_a_result_stays_within_its_limit(text: str) -> None:
    result = Result(
        reason="PodFailed",
        message=text * 100_000,
        documents=DocumentCounts(failed=100),
        failures=[failure(text * 5_000) for _ in range(FAILURES_MAX)],
        skipped={f"Reason{i}": 10**9 for i in range(20)},
        notes=[f"{i}{text * 2_000}"[:1024] for i in range(NOTES_MAX)],
    )
    encoded = encode_result(result)
    assert len(encoded) <= RESULT_MAX_BYTES
    back = decode_result(encoded)
    assert back is not None
    assert (back.documents, back.skipped, back.reason) == (
        *(result.documents, result.skipped, result.reason),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Killed",
        b'{"reason":"Ref',
        b"[]",
        b'{"bytes":-1.5}',
        b'{"chunks":{"written":-1}}',
        b"\xff\xfe",
        json.dumps({"failures": [{"document": "a", "reason": "b"}] * 21}).encode(),
    ],
)
def test_what_is_no_result_is_none(data: bytes) -> None:
    assert decode_result(data) is None


def test_shards_are_summed_up() -> None:
    merged = merge_results(
        [
            Result(
                documents=DocumentCounts(discovered=1, indexed=1),
                skipped={"Binary": 2},
                bytes=10,
                revision="r",
            ),
            Result(
                documents=DocumentCounts(discovered=2, failed=1),
                skipped={"Binary": 1, "Empty": 1},
                chunks=ChunkCounts(written=5),
                failures=[failure("a")],
                reason="EmbeddingUnavailable",
                message="down",
            ),
        ]
    )
    assert merged.documents == DocumentCounts(discovered=3, indexed=1, failed=1)
    assert merged.skipped == {"Binary": 3, "Empty": 1}
    assert (merged.bytes, merged.revision, merged.chunks.written) == (10, "r", 5)
    assert (merged.reason, merged.message, len(merged.failures)) == (
        *("EmbeddingUnavailable", "down", 1),
    )


def test_what_all_shards_note_is_noted_once() -> None:
    shards = [Result(notes=["a", f"only {shard}"]) for shard in range(2)]
    assert merge_results(shards).notes == ["a", "only 0", "only 1"]
    many = [Result(notes=[f"{shard} {i}" for i in range(NOTES_MAX)]) for shard in range(3)]
    assert len(merge_results(many).notes) == NOTES_MAX
