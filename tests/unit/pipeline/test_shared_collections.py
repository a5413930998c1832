"""A collection that several Sources share: each run brings in, counts and deletes what is its own
Source's, and no run stops another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.embed import Vectors
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.fetch import OneKey, Prefix
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.index import shared
from chroma_sync.pipeline.index.chroma import Collection, Metadata
from chroma_sync.pipeline.run import Run, done, resume, start
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from unit.pipeline.shelf import DIMENSION, Shelf, Shelves, lines

A, B = "team/a", "team/b"
BREAD, OVEN, CAKE = lines("bread", 5), lines("oven", 3), lines("cake", 4)


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[Shelves]:
    made = Shelves(tmp_path)
    yield made
    made.database.close()


class AnotherModel(HashModel):
    """Gives other vectors under the same name."""

    def _vector(self, text: str) -> Vectors:
        return super()._vector(f"another {text}")


def failure(ask: Callable[[], object]) -> StepError:
    with pytest.raises(StepError) as caught:
        ask()
    return caught.value


def test_sources_share_it_and_touch_only_their_own(shelves: Shelves) -> None:
    steps.run(shelves.tools({"bread": BREAD, "oven": OVEN}, A))
    steps.run(shelves.tools({"cake": CAKE}, B))
    assert shelves.texts() == {"bread": BREAD, "oven": OVEN, "cake": CAKE}
    theirs = shelves.records(B)
    # What of A is changed or gone is so without a look at B's, and is counted for A alone.
    again = shelves.tools({"bread": lines("rye", 2)}, A)
    steps.run(again)
    assert shelves.texts(A) == {"bread": lines("rye", 2)}
    assert shelves.records(B) == theirs
    counts = again.progress.result().documents
    assert (counts.discovered, counts.indexed, counts.removed) == (1, 1, 1)
    metadata = shelves.metadata()
    assert metadata["shared"] is True
    assert "finished_ingest" not in metadata and "source" not in metadata
    collection = shelves.database.find("shared")
    assert collection is not None
    assert collection._handle.configuration_json["hnsw"]["space"] == "cosine"


def test_a_text_that_another_source_has_is_not_embedded_again(shelves: Shelves) -> None:
    steps.run(shelves.tools({"bread": BREAD}, A))
    same = shelves.tools({"copy": BREAD}, B)
    steps.run(same)
    chunks = same.progress.result().chunks
    assert (chunks.embedded, chunks.reused) == (0, chunks.written)


def test_a_run_over_one_document_leaves_all_others(shelves: Shelves) -> None:
    steps.run(shelves.tools({"a/x": BREAD, "a/y": OVEN, "b": CAKE}, A))
    one = Shelf({"a/x": CAKE}, speaks_for=OneKey("a/x"))
    steps.run(shelves.tools(one, A))
    assert shelves.texts() == {"a/x": CAKE, "a/y": OVEN, "b": CAKE}
    steps.run(shelves.tools(Shelf({"a/x": CAKE}, speaks_for=Prefix("a/")), A))
    assert shelves.texts() == {"a/x": CAKE, "b": CAKE}


def test_a_run_over_one_document_may_find_that_it_is_gone(shelves: Shelves) -> None:
    steps.run(shelves.tools({"a": BREAD, "b": OVEN}, A))
    one = Shelf({"a": BREAD}, speaks_for=OneKey("a"))
    one.more = {"a": {"skip": DocumentReason.GONE}}
    tools = shelves.tools(one, A)
    assert forecast(tools).refused == ""
    steps.run(tools)
    assert shelves.texts() == {"b": OVEN}
    # Whoever lists them is held by the limit.
    nothing = shelves.tools({}, A)
    assert forecast(nothing).refused
    assert failure(lambda: steps.run(nothing)).reason is Reason.WOULD_REMOVE_TOO_MUCH


def test_who_is_refused(shelves: Shelves) -> None:
    steps.run(shelves.tools({"bread": BREAD}, A))
    before = shelves.records()

    def refused(**other: Any) -> StepError:
        return failure(lambda: steps.run(shelves.tools({"cake": CAKE}, B, **other)))

    other_model = refused(model_name="acme/other")
    assert other_model.reason is Reason.COLLECTION_MODEL_MISMATCH
    assert "made with the model 'hash', this run has 'acme/other'" in str(other_model)
    prompted = refused(document_prompt="passage: ")
    assert prompted.reason is Reason.COLLECTION_MODEL_MISMATCH
    assert refused(model=AnotherModel(DIMENSION)).reason is Reason.EMBEDDING_MISMATCH
    assert shelves.records() == before


def test_it_is_refused_where_it_is_no_shared_one(shelves: Shelves) -> None:
    made = {"source": "team/c", "source_type": "web", "source_address": "https://a.example"}
    for metadata, said in (
        (made, "belongs to Source team/c alone"),
        ({"by": "hand"}, "was not made by a Source"),
    ):
        collection = shelves.database.create("theirs", metadata)
        error = failure(lambda: steps.run(shelves.tools({"a": BREAD}, collection="theirs")))
        assert error.reason is Reason.COLLECTION_OWNED_BY_ANOTHER
        assert said in str(error)
        collection.replace_metadata({"by": "hand"})


def test_a_source_that_has_its_collections_alone_is_refused(
    make_tools: Callable[..., Toolbox], shelves: Shelves
) -> None:
    alone = make_tools(collection="shared", policy="Update")
    steps.run(shelves.tools({"bread": BREAD}, A, database=alone.database))
    error = failure(lambda: steps.run(alone))
    assert error.reason is Reason.COLLECTION_OWNED_BY_ANOTHER
    assert "is shared by Sources that each have a part of its records" in str(error)


def test_a_collection_that_lost_its_golden_vectors_is_refused(shelves: Shelves) -> None:
    steps.run(shelves.tools({"bread": BREAD}, A))
    collection = shelves.database.find("shared")
    assert collection is not None
    left = {k: v for k, v in collection.metadata.items() if not k.startswith("embedding_golden_")}
    collection.replace_metadata(left)
    error = failure(lambda: steps.run(shelves.tools({"cake": CAKE}, B)))
    assert error.reason is Reason.EMBEDDING_MISMATCH


def test_a_second_pod_of_a_run_that_is_done_asks_nobody(shelves: Shelves) -> None:
    steps.run(shelves.tools({"bread": BREAD}, A, run="r"))
    steps.run(shelves.tools({"cake": CAKE}, B))
    away = HashModel(DIMENSION, breaks_after=0)
    second = shelves.tools({}, A, run="r", model=away)
    steps.run(second)
    assert shelves.texts() == {"bread": BREAD, "cake": CAKE}
    result = second.progress.result()
    assert result.collection is not None and result.collection.records == len(shelves.records())
    assert done(shelves.tools({}, A, run="another")) is None


def begun(tools: Toolbox) -> Run:
    steps.plan(tools)
    return start(tools)


def test_a_newer_run_of_the_same_source_stops_an_older_one(shelves: Shelves) -> None:
    one = begun(shelves.tools({}, A, run="one"))
    one.own()
    two = begun(shelves.tools({}, A, run="two"))
    error = failure(one.own)
    assert isinstance(error, Misconfigured) and "another run" in str(error)
    two.begin_attempt()
    two.mark_finished()
    # Also once that one is done: the first one's list is the older one.
    for ask in (one.own, one.begin_attempt, lambda: resume(shelves.tools({}, A, run="one"))):
        assert failure(ask).reason is Reason.RUN_LOST


def test_of_two_pods_that_finish_the_last_one_goes_on(shelves: Shelves) -> None:
    first = begun(shelves.tools({}, A, run="r"))
    second = start(shelves.tools({}, A, run="r"))
    first.begin_attempt()
    first.own()
    second.begin_attempt()
    second.own()
    for ask in (first.own, first.mark_finished):
        assert isinstance(failure(ask), Temporary)


def undo(shelves: Shelves, metadata: Metadata) -> None:
    """Another run, which had read this before, writes it now: all that came between is lost."""
    collection = shelves.database.find("shared")
    assert collection is not None
    collection.replace_metadata(metadata)


def test_what_anothers_write_undoes_is_written_again(shelves: Shelves) -> None:
    steps.run(shelves.tools({"cake": CAKE}, B))
    without = shelves.metadata()
    old = begun(shelves.tools({}, A, run="old"))
    with_old = shelves.metadata()
    new = begun(shelves.tools({}, A, run="new"))
    new.begin_attempt()
    stood = shelves.metadata()
    for before in (without, with_old):
        undo(shelves, before)
        new.own()
        assert shelves.metadata() == stood
        # A step that has just begun knows nothing but when its run was admitted.
        undo(shelves, before)
        assert resume(shelves.tools({}, A, run="new")).lacks_plan()
        new.own()
    assert isinstance(failure(old.own), Misconfigured)
    new.mark_finished()
    assert done(shelves.tools({}, A, run="new")) is not None
    assert done(shelves.tools({"cake": CAKE}, B)) is None


def test_a_step_plans_again_what_was_undone(shelves: Shelves) -> None:
    steps.run(shelves.tools({"cake": CAKE}, B))
    without = shelves.metadata()
    steps.plan(shelves.tools({"bread": BREAD}, A, run="r"))
    undo(shelves, without)
    steps.work(shelves.tools({"bread": BREAD}, A, run="r"))
    undo(shelves, without)
    steps.finish(shelves.tools({"bread": BREAD}, A, run="r"))
    assert shelves.texts() == {"bread": BREAD, "cake": CAKE}


def test_two_runs_at_once(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the one goes from its beginning to its end within each write of the other to the
    collection's metadata, after that one has read it: so all that the step says there is undone."""
    steps.run(shelves.tools({"bread": BREAD, "gone": OVEN}, A))
    real = Collection.replace_metadata
    within = [steps.plan, steps.work, steps.finish]
    ours = [shelves.tools({"bread": BREAD, "new": CAKE}, A, run="r") for _ in within]
    went = 0

    def write(self: Collection, metadata: Metadata) -> None:
        nonlocal went
        if went < len(within):
            monkeypatch.setattr(Collection, "replace_metadata", real)
            before = shelves.metadata()
            within[went](ours[went])
            assert shelves.metadata() != before
            monkeypatch.setattr(Collection, "replace_metadata", write)
            went += 1
        real(self, metadata)

    # B's claim, its attempt and its mark.
    monkeypatch.setattr(Collection, "replace_metadata", write)
    steps.run(shelves.tools({"cake": CAKE, "pie": BREAD}, B))
    monkeypatch.undo()
    assert went == len(within)
    assert shelves.texts(A) == {"bread": BREAD, "new": CAKE}
    assert shelves.texts(B) == {"cake": CAKE, "pie": BREAD}
    assert ours[-1].progress.result().documents.removed == 1


def test_there_is_room_for_so_many_fences(shelves: Shelves) -> None:
    going = begun(shelves.tools({}, "team/going", run="r"))
    going.begin_attempt()
    for number in range(shared.FENCES_MAX + 3):
        steps.run(shelves.tools({f"{number}": BREAD}, f"team/{number}"))
    fences = [key for key in shelves.metadata() if key.startswith("run.")]
    assert len(fences) == shared.FENCES_MAX
    going.own()
    assert len(shelves.metadata()) <= 32
    assert len(shelves.texts()) == shared.FENCES_MAX + 3
