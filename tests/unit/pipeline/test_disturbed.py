"""Runs that are killed, or disturbed by another writer: nothing is lost, and nothing half-written
is marked finished."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.chunk import Chunked, Chunker
from chroma_sync.pipeline.chunk.cuts import line_cuts
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.existing import load_target
from chroma_sync.pipeline.index.chroma import Call, Collection
from chroma_sync.pipeline.index.records import Configs, Record, document_sha, record_id
from chroma_sync.pipeline.index.writes import RefusedRecord
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.text import Text
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from unit.pipeline.stored import contents, metadata

MakeTools = Callable[..., Toolbox]


@pytest.mark.parametrize("step", ["in one pod", "in pods of their own"])
def test_records_that_vanish_in_mid_run_are_brought_in_again(
    make_tools: MakeTools, step: str
) -> None:
    whole = make_tools(collection="whole")
    steps.run(whole)
    tools = make_tools(run="r")
    steps.plan(tools)
    steps.work(tools)
    collection = tools.database.find("target")
    assert collection is not None
    ids = sorted(contents(tools))
    collection.delete([ids[0], ids[-1]])
    last = tools if step == "in one pod" else make_tools(run="r")
    steps.finish(last)
    assert contents(tools) == contents(whole, "whole")
    assert last.progress.result().documents.removed == 0


class _BreaksOff(Exception):
    """Stands for a pod that is killed."""


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_broken_run_goes_on_without_embedding_again(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole = make_tools(collection="whole")
    steps.run(whole)
    real, writes = Collection.upsert, 0

    def killed(self: Collection, records: list[Record]) -> list[RefusedRecord]:
        nonlocal writes
        writes += 1
        if writes > after:
            raise _BreaksOff
        return real(self, records)

    monkeypatch.setattr(Collection, "upsert", killed)
    monkeypatch.setattr("chroma_sync.pipeline.index.chroma._WRITE_MAX", 10)
    with pytest.raises(_BreaksOff):
        steps.run(make_tools(run="r"))
    monkeypatch.setattr(Collection, "upsert", real)
    model = HashModel(dimension=16)
    again = make_tools(run="r", model=model)
    steps.run(again)
    assert contents(again) == contents(whole, "whole")
    result = again.progress.result()
    assert result.chunks.reused + result.chunks.embedded == result.chunks.produced
    missing = len(contents(again)) - after * 10
    assert result.chunks.embedded <= missing


@pytest.mark.parametrize("what", ["another text", "another vector", "deleted"])
def test_another_writer_gets_between_a_look_and_a_write(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A run that lost its collection may have a write on its way: just when this run writes no more
    than the metadata of what stands."""
    begun = make_tools(sha=0, run="one")
    steps.plan(begun)
    steps.work(begun)
    real, disturbed = Collection._with_new_metadata, 0

    def disturbing(self: Collection, records: list[Record], call: Call) -> list[Record]:
        nonlocal disturbed
        disturbed += len(records)
        ids = [record.id for record in records]
        if what == "deleted":
            self._handle.delete(ids=ids)
        else:
            vectors = np.ones((len(ids), 16), np.float32)
            self._handle.upsert(
                ids, vectors, [{"content_sha256": "x"}] * len(ids), ["x"] * len(ids)
            )
        return real(self, records, call)

    monkeypatch.setattr(Collection, "_with_new_metadata", disturbing)
    other = make_tools(sha=1, run="two")
    steps.run(other)
    monkeypatch.undo()
    fresh = make_tools(sha=1, collection="fresh")
    steps.run(fresh)
    assert contents(other) == contents(fresh, "fresh")
    assert disturbed > 10


def by_lines(self: Chunker, text: Text) -> Chunked:
    """How a text is cut whose parse takes too long."""
    return Chunked(text, line_cuts(text.data, 1_000, None), False, "parser timed out")


def test_the_same_bytes_are_cut_in_another_way_the_second_time(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod before was killed just before chunk 0, on a node where the parse was quick."""
    first = make_tools(run="r")
    steps.plan(first)
    steps.work(first)
    collection = first.database.find("target")
    assert collection is not None
    collection.delete([record_id(document_sha("big.py"), 0)])
    monkeypatch.setattr(Chunker, "chunk", by_lines)
    steps.run(make_tools(collection="fresh"))
    last = make_tools(run="r")
    steps.run(last)
    # What stood whole is not cut again.
    mine = {i: r for i, r in contents(last).items() if i.startswith(document_sha("big.py"))}
    assert len(mine) > 1
    fresh = contents(last, "fresh")
    assert mine == {i: r for i, r in fresh.items() if i.startswith(document_sha("big.py"))}
    assert contents(last).keys() == fresh.keys()


def test_a_writer_that_does_not_stop_ends_the_run_before_anything_is_deleted(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that should be dead takes a record away each time that one is brought in again."""
    tools = make_tools(run="r")
    steps.plan(tools)
    steps.work(tools)
    before = contents(tools)

    def disturbed(ledger: Ledger, collection: Collection, configs: Configs) -> None:
        collection.delete([record_id(document_sha("big.py"), 3)])
        load_target(ledger, collection, configs)

    monkeypatch.setattr(steps, "load_target", disturbed)
    with pytest.raises(Temporary, match="1 documents") as caught:
        steps.finish(make_tools(run="r"))
    assert caught.value.reason is Reason.RUN_LOST
    assert before.keys() - contents(tools).keys() == {record_id(document_sha("big.py"), 3)}
    assert "finished_ingest" not in metadata(tools)
