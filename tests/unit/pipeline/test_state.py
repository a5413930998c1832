"""What the target holds: which documents are unchanged, and what is left over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.pipeline.index.chroma import Stored
from chroma_sync.pipeline.index.records import Configs, document_sha, record_id
from chroma_sync.pipeline.index.state import TargetState, is_unchanged

CONFIGS = Configs(document="d", embedding="e")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[TargetState]:
    made = TargetState(tmp_path / "state.sqlite")
    yield made
    made.close()


def stored(
    key: str, n: int, *, count: int | None = None, version: str = "v", config: str = "d"
) -> Stored:
    metadata = {
        "version_key": version,
        "document_config": config,
        "content_sha256": f"c{n}",
        "embedding_config": "e",
    }
    if count is not None:
        metadata["chunk_count"] = count  # type: ignore[assignment]
    return Stored(record_id(document_sha(key), n), dict(metadata))


@pytest.mark.parametrize(
    ("records", "unchanged"),
    [
        ([], False),
        ([stored("a", 0, count=1)], True),
        ([stored("a", 0, count=2), stored("a", 1)], True),
        ([stored("a", 1), stored("a", 2)], False),  # chunk 0 was not written yet
        ([stored("a", 0, count=3), stored("a", 1)], False),  # a hole at the end
        ([stored("a", 0, count=3), stored("a", 2)], False),  # a hole in the middle
        ([stored("a", 0, count=1), stored("a", 1)], True),  # an old tail
        ([stored("a", 0, count=2, version="w"), stored("a", 1)], False),
        ([stored("a", 0, count=2), stored("a", 1, version="w")], False),
        ([stored("a", 0, count=1, config="other")], False),
        ([stored("a", 0)], False),
    ],
)
def test_unchanged(state: TargetState, records: list[Stored], unchanged: bool) -> None:
    state.load(records)
    assert is_unchanged(state.known("a"), "v", "d") is unchanged


def test_leftovers_are_what_a_run_from_nothing_would_not_have(state: TargetState) -> None:
    state.load_listing([("whole", "v"), ("tail", "v"), ("broken", "v"), ("changed", "new")])
    state.load(
        [
            *(stored("whole", 0, count=2), stored("whole", 1)),
            *(stored("tail", 0, count=1), stored("tail", 1), stored("tail", 2)),
            *(stored("broken", 1), stored("broken", 2)),
            stored("changed", 0, count=1),
            stored("gone", 0, count=1),
        ]
    )
    left = {id_ for leftover in state.leftovers(CONFIGS) for id_ in leftover.ids}
    expected = [("tail", 1), ("tail", 2), ("broken", 1), ("broken", 2), ("changed", 0), ("gone", 0)]
    assert left == {record_id(document_sha(key), n) for key, n in expected}


def test_records_with_foreign_ids_are_left_alone(state: TargetState) -> None:
    state.load([Stored("by hand", {}), Stored("zz-1", {}), Stored("abcd-x", {})])
    assert list(state.leftovers(CONFIGS)) == []
