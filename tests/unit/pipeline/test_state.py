"""Which documents stand whole, and what is left over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.pipeline.index.records import document_sha, record_id
from chroma_sync.pipeline.index.state import TargetState


@pytest.fixture
def state(tmp_path: Path) -> Iterator[TargetState]:
    made = TargetState(tmp_path / "state.sqlite")
    yield made
    made.close()


def test_a_listing_comes_in_batches(state: TargetState) -> None:
    listing = {f"file{i}": f"version{i}" for i in range(7)}
    state.load_listing(listing.items())
    batches = list(state.listed(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    found = {sha: version for batch in batches for sha, version in batch.items()}
    assert found == {document_sha(key): version for key, version in listing.items()}


def test_leftovers_are_what_a_run_from_nothing_would_not_have(state: TargetState) -> None:
    keys = ["whole", "tail", "broken", "binary"]
    state.load_listing((key, "v") for key in keys)
    state.load_chunk_counts({document_sha("whole"): 2, document_sha("tail"): 1})
    state.load_chunk_counts({document_sha("broken"): 3})
    state.load_chunk_counts({document_sha("broken"): None})  # lost a record meanwhile
    state.drop_listed("binary")
    assert [state.is_whole(key) for key in keys] == [True, True, False, False]
    stand = [("whole", 0), ("whole", 1), ("tail", 0), ("broken", 0), ("broken", 2)]
    left = [("tail", 1), ("tail", 2), ("broken", 0), ("broken", 2), ("binary", 0), ("gone", 0)]
    state.load_ids(record_id(document_sha(key), n) for key, n in (*stand, *left))
    found = {id_: one.is_gone for one in state.leftovers() for id_ in one.ids}
    expected = {record_id(document_sha(k), n): k in ("binary", "gone") for k, n in left}
    assert found == expected
    assert (state.whole(), state.standing(), state.gone()) == (2, 3, 2)


def test_the_leftovers_of_one_document_come_in_parts(state: TargetState) -> None:
    state.load_ids(record_id(document_sha("huge"), n) for n in range(2_500))
    parts = [len(leftover.ids) for leftover in state.leftovers()]
    assert parts == [1_000, 1_000, 500]


def test_records_with_foreign_ids_are_left_alone(state: TargetState) -> None:
    state.load_ids(["by hand", "zz-1", "abcd-x", f"{document_sha('a')}-01"])
    assert list(state.leftovers()) == []
