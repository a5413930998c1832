"""What crosses between operator and pods: results fit their limits and survive the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chroma_sync.api.contract import (
    FAILURES_MAX,
    NOTES_MAX,
    PROGRESS_MAX_BYTES,
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
        b"7",
        b"\xff\xfe",
        b"[" * 4_000,
        b'{"a":' * 10_000,
    ],
)
def test_what_is_no_result_is_none(data: bytes) -> None:
    assert decode_result(data) is None


COUNTED: dict[str, Any] = {"documents": {"discovered": 30, "failed": 21}, "bytes": 7}
FAILED = {"document": "a", "reason": "EmbeddingRejected"}


def read(**more: Any) -> Result:
    """What is read of a result that counts `COUNTED` and says more."""
    result = decode_result(json.dumps({**COUNTED, **more}))
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"failures": [FAILED] * 21}, {"failures": [Failure.model_validate(FAILED)] * 20}),
        ({"notes": [str(n) for n in range(11)]}, {"notes": [str(n) for n in range(10)]}),
        (
            {"skipped": {f"R{n}": n for n in range(40)}},
            {"skipped": {f"R{n}": n for n in range(32)}},
        ),
        ({"failures": [FAILED, {"document": 7}, 7]}, {"failures": [Failure(**FAILED)]}),
        ({"failures": 7, "notes": {}, "skipped": []}, {}),
        ({"failures": [{**FAILED, "reason": "R" * 65}]}, {"failures": 1}),
        ({"reason": "R" * 65, "message": 7}, {"reason": "R" * 64}),
        ({"chunks": {"written": -1, "produced": 5}}, {"chunks": ChunkCounts(produced=5)}),
        ({"skipped": {"Binary": -1, "A": False, "Empty": 2}}, {"skipped": {"Empty": 2}}),
        ({"skipped": {"R" * 65: 1, "Empty": 2}}, {"skipped": {"Empty": 2}}),
        ({"chunks": 7, "newer": {"field": 1}}, {}),
    ],
)
def test_what_is_over_bounds_costs_itself(more: dict[str, Any], kept: dict[str, Any]) -> None:
    """The counts say how the run ended. They are never lost with a list that is too long."""
    if kept.get("failures") == 1:
        kept = {"failures": [Failure(document="a", reason="R" * 64)]}
    assert read(**more) == Result(
        documents=DocumentCounts(discovered=30, failed=21), bytes=7, **kept
    )


def test_of_a_list_that_is_too_long_nothing_but_its_end_is_lost() -> None:
    whole = Result(
        reason="RefNotFound",
        message="no such branch",
        retry_after_seconds=9,
        revision="0" * 40,
        seal="5.5a",
        documents=DocumentCounts(discovered=3, indexed=2, failed=1),
        skipped={"Binary": 1},
        chunks=ChunkCounts(produced=9, embedded=9, written=9),
        bytes=1234,
        collection=CollectionStatus(name="docs", id="1-2", records=9),
        failures=[Failure.model_validate(FAILED)] * FAILURES_MAX,
        notes=["a pattern matches no file"],
    )
    assert whole.model_fields_set == set(Result.model_fields), "a field that is not looked at here"
    said = whole.model_dump(mode="json", by_alias=True)
    said["failures"].append(FAILED)
    assert decode_result(json.dumps(said)) == whole


@pytest.mark.parametrize(
    "more",
    [
        {"collection": {"name": "n" * 513, "id": "1"}},
        {"collection": {"name": "docs", "id": "1" * 65}},
        {"collection": {"id": "1", "records": 7}},
        {"revision": "c" * 257},
        {"revision": 7},
    ],
)
def test_what_names_something_is_read_whole_or_not_at_all(more: dict[str, Any]) -> None:
    """A part of it would name something else."""
    assert read(**more) == read()


@pytest.mark.parametrize(("seconds", "kept"), [(3_601, 3_600), (10**30, 3_600), (-1, 0), ("9", 0)])
def test_no_server_is_waited_for_longer_than_its_hour(seconds: Any, kept: int) -> None:
    assert read(retryAfterSeconds=seconds).retry_after_seconds == kept


def test_many_faults_are_bounded_work() -> None:
    data = json.dumps({**COUNTED, "skipped": {str(n): -n for n in range(1, 4_000)}}).encode()
    assert len(data) < PROGRESS_MAX_BYTES
    result = decode_result(data)
    assert result is not None
    assert (result.bytes, result.skipped) == (7, {})


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
