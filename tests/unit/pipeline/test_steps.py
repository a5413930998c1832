"""Whole runs in one process: what stands in the collection, and what a second run does to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.embed import EmbeddingUnavailable
from chroma_sync.pipeline.errors import Misconfigured, Stopped
from chroma_sync.pipeline.fetch import Outcome, Ref
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.previous import last_finished_collection
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from unit.pipeline.stored import contents, metadata

MakeTools = Callable[..., Toolbox]


def test_a_run_from_nothing(make_tools: MakeTools) -> None:
    tools = make_tools()
    steps.run(tools)
    result = tools.progress.result()
    found = contents(tools)
    texts: dict[str, dict[int, str]] = {}
    for id_, (text, pairs, _) in found.items():
        values = dict(pairs)
        n = int(id_.rpartition("-")[2])
        texts.setdefault(values["document_key"], {})[n] = text
    assert sorted(texts) == ["big.py", "same.txt", "small.md"]
    big = "".join(f"def f{i}():\n    return {i}\n\n\n" for i in range(200))
    assert "".join(text for _, text in sorted(texts["big.py"].items())) == big
    assert result.documents.model_dump() == {
        "discovered": 4,
        "indexed": 3,
        "unchanged": 0,
        "removed": 0,
        "skipped": 1,
        "failed": 0,
        "kept": 0,
    }
    assert result.skipped == {"Binary": 1}
    assert result.chunks.written == result.chunks.embedded == len(found)
    assert result.collection is not None and result.collection.records == len(found)
    claim = metadata(tools)
    assert claim["finished_ingest"] is True
    assert claim["finished_by"] == claim["run"]
    assert claim["revision"] == result.revision


def test_a_finished_collection_is_left_alone(make_tools: MakeTools) -> None:
    first = make_tools(run="first")
    steps.run(first)
    before, claim = contents(first), metadata(first)
    with pytest.raises(Misconfigured) as caught:
        steps.run(make_tools(run="second"))
    assert caught.value.reason is Reason.COLLECTION_ALREADY_INGESTED
    assert (contents(first), metadata(first)) == (before, claim)
    # The run that set the mark may come again: its pod died between the mark and its exit.
    steps.run(make_tools(run="first"))
    assert (contents(first), metadata(first)) == (before, claim)


def test_the_collection_of_another_is_left_alone(make_tools: MakeTools) -> None:
    first = make_tools()
    steps.run(first)
    before = contents(first)
    with pytest.raises(Misconfigured) as caught:
        steps.run(make_tools(source="default/other"))
    assert caught.value.reason is Reason.COLLECTION_OWNED_BY_ANOTHER
    assert "'target' belongs to Source default/shop. It was" in str(caught.value)
    first.database.create("by-hand", {"made": "by hand"})
    with pytest.raises(Misconfigured) as caught:
        steps.run(make_tools(collection="by-hand"))
    assert caught.value.reason is Reason.COLLECTION_OWNED_BY_ANOTHER
    assert "'by-hand' was not made by a Source. It was" in str(caught.value)
    assert contents(first) == before
    assert metadata(first, "by-hand") == {"made": "by hand"}


def test_a_collection_from_another_address_is_left_alone(
    make_tools: MakeTools, git_url: tuple[str, list[str]]
) -> None:
    first, here = make_tools(), git_url[0]
    steps.run(first)
    before, there = contents(first), here.replace("127.0.0.1", "localhost")
    with pytest.raises(Misconfigured) as caught:
        steps.run(make_tools(base_url=there))
    assert caught.value.reason is Reason.COLLECTION_OWNED_BY_ANOTHER
    made_from, reads = f"{here}/acme/shop", f"{there}/acme/shop"
    said = f"was made by Source default/shop from {made_from}; this run reads {reads}. It was left"
    assert said in str(caught.value)
    # The same address as a Source of another kind.
    target = first.database.find("target")
    assert target is not None
    target.replace_metadata({**metadata(first), "source_type": "web"})
    with pytest.raises(Misconfigured) as caught:
        steps.run(make_tools())
    assert "by Source default/shop from web; this run reads github. It" in str(caught.value)
    assert contents(first) == before


def test_shards_make_the_same_collection(make_tools: MakeTools) -> None:
    whole = make_tools(collection="whole")
    steps.run(whole)
    steps.plan(make_tools(collection="parts", run="r"))
    indexed = 0
    for index in (2, 0, 1):
        tools = make_tools(collection="parts", run="r")
        steps.work(tools, Shard(index, 3))
        indexed += tools.progress.result().documents.indexed
    last = make_tools(collection="parts", run="r")
    steps.finish(last)
    assert indexed == 3
    assert contents(last, "parts") == contents(whole, "whole")


def test_an_unfinished_collection_is_brought_to_another_commit(make_tools: MakeTools) -> None:
    begun = make_tools(sha=0, run="one")
    steps.plan(begun)
    steps.work(begun)
    other = make_tools(sha=1, run="two")
    steps.run(other)
    fresh = make_tools(sha=1, collection="fresh")
    steps.run(fresh)
    assert contents(other) == contents(fresh, "fresh")
    result = other.progress.result()
    assert result.documents.unchanged == 1
    assert result.documents.removed == 1
    assert result.chunks.embedded < result.chunks.produced


@pytest.mark.parametrize("key", ["content_sha256", "embedding_config"])
def test_a_vector_is_taken_over_only_from_the_same_text_and_model(
    make_tools: MakeTools, key: str
) -> None:
    begun = make_tools(sha=0, run="one")
    steps.plan(begun)
    steps.work(begun)
    collection = begun.database.find("target")
    assert collection is not None
    ids = sorted(contents(begun))
    collection._handle.update(ids, metadatas=[{key: "another"} for _ in ids])
    model = HashModel(dimension=16)
    other = make_tools(sha=1, run="two", model=model)
    steps.run(other)
    chunks = other.progress.result().chunks
    assert (chunks.reused, chunks.embedded) == (0, chunks.produced)


def test_a_retry_keeps_the_revision_it_began_with(make_tools: MakeTools) -> None:
    def planned(sha: int, run: str) -> str | None:
        tools = make_tools(sha=sha, run=run)
        steps.plan(tools)
        assert tools.progress.revision == metadata(tools)["revision"]
        return tools.progress.revision

    begun = planned(0, "r")
    assert planned(1, "r") == begun
    assert planned(1, "other") != begun


def test_a_run_that_lost_its_collection_stops(make_tools: MakeTools) -> None:
    steps.plan(make_tools(run="one"))
    steps.plan(make_tools(run="two"))
    for step in (steps.work, steps.finish):
        with pytest.raises(Misconfigured) as caught:
            step(make_tools(run="one"))
        assert caught.value.reason is Reason.RUN_LOST


def test_another_model_is_refused(make_tools: MakeTools) -> None:
    steps.plan(make_tools(run="one"))
    with pytest.raises(Misconfigured) as caught:
        steps.plan(make_tools(run="two", model_name="other"))
    assert caught.value.reason is Reason.COLLECTION_MODEL_MISMATCH


def test_a_stopped_run_marks_nothing_finished(make_tools: MakeTools) -> None:
    tools = make_tools()
    steps.plan(tools)
    tools.stop.stop()
    with pytest.raises(Stopped):
        steps.run(tools)
    assert "finished_ingest" not in metadata(tools)


def test_a_text_that_is_refused_fails_its_document_only(make_tools: MakeTools) -> None:
    tools = make_tools(model=HashModel(dimension=16, refuses="# One"))
    steps.run(tools)
    result = tools.progress.result()
    assert result.documents.failed == 1
    assert result.documents.indexed == 2
    assert [failure.document for failure in result.failures] == ["small.md"]
    keys = {dict(pairs)["document_key"] for _, pairs, _ in contents(tools).values()}
    assert keys == {"big.py", "same.txt"}
    assert metadata(tools)["finished_ingest"] is True


def test_an_error_of_a_stage_ends_the_run(make_tools: MakeTools) -> None:
    tools = make_tools(model=HashModel(dimension=16, breaks_after=20))
    with pytest.raises(EmbeddingUnavailable):
        steps.run(tools)
    assert "finished_ingest" not in metadata(tools)


def test_a_step_that_would_make_other_records_stops(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's image is changed between two steps: nothing may be deleted as a leftover."""
    tools = make_tools(run="r")
    steps.plan(tools)
    steps.work(tools)
    before = contents(tools)
    monkeypatch.setattr("chroma_sync.pipeline.run.CHUNKER_VERSION", "another")
    for step in (steps.work, steps.finish):
        with pytest.raises(Misconfigured) as caught:
            step(make_tools(run="r"))
        assert caught.value.reason is Reason.COLLECTION_MODEL_MISMATCH
    assert contents(tools) == before
    assert "finished_ingest" not in metadata(tools)
    # The whole run again, with the new image, is fine.
    steps.run(make_tools(run="r"))
    assert metadata(tools)["finished_ingest"] is True


def test_a_document_that_is_lost_on_the_way_stops_the_run(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the program, made on purpose: nothing may be marked finished."""
    begun = make_tools(run="r")
    steps.plan(begun)
    steps.work(begun)
    again = make_tools(run="r")
    real = Ledger.settle

    def forgetful(self: Ledger, document: Document, verdict: Verdict) -> None:
        if document.key != "small.md":
            real(self, document, verdict)

    monkeypatch.setattr(Ledger, "settle", forgetful)
    with pytest.raises(RuntimeError, match="nothing became of 1 documents"):
        steps.run(again)
    assert "finished_ingest" not in metadata(again)


def test_a_file_that_is_too_large_by_now_goes(make_tools: MakeTools) -> None:
    tools = make_tools(run="one")
    steps.plan(tools)
    steps.work(tools)
    limited = make_tools(run="two", max_file_size=1000)
    steps.run(limited)
    keys = {dict(pairs)["document_key"] for _, pairs, _ in contents(limited).values()}
    assert keys == {"small.md", "same.txt"}
    assert limited.progress.result().skipped == {"Binary": 1, "TooLarge": 1}


def test_a_finished_run_asks_nobody_anything(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.run(make_tools(run="r"))
    again = make_tools(run="r", model=HashModel(dimension=16, breaks_after=0))
    monkeypatch.setattr(again.connector, "resolve", lambda: pytest.fail("the Git host was asked"))
    steps.run(again)
    result = again.progress.result()
    assert result.collection is not None and result.collection.records > 0


def test_an_update_in_place(make_tools: MakeTools) -> None:
    first = make_tools(run="first")
    steps.run(first)
    fresh = make_tools(sha=1, collection="fresh")
    steps.run(fresh)
    begun = make_tools(sha=1, run="second", policy="Update")
    steps.plan(begun)
    # Readers see a finished collection at its old commit until the new one is whole.
    held = metadata(first)
    assert (held["finished_ingest"], held["finished_by"], held["run"]) == (True, "first", "second")
    assert held["revision"] == metadata(first)["revision"] != held["updating_to"]
    steps.run(begun)
    assert contents(first) == contents(first, "fresh")
    done = metadata(first)
    assert (done["finished_by"], done["revision"]) == ("second", held["updating_to"])
    assert "updating_to" not in done
    counts = begun.progress.result().documents
    assert (counts.unchanged, counts.indexed, counts.removed) == (1, 2, 1)


def test_an_update_that_broke_off_goes_on(make_tools: MakeTools) -> None:
    steps.run(make_tools(run="first"))
    steps.plan(make_tools(sha=1, run="broken", policy="Update"))
    # A run that creates is refused all the same, and another update takes over.
    with pytest.raises(Misconfigured) as caught:
        steps.run(make_tools(sha=0, run="third"))
    assert caught.value.reason is Reason.COLLECTION_ALREADY_INGESTED
    last = make_tools(sha=1, run="fourth", policy="Update")
    steps.run(last)
    with pytest.raises(Misconfigured) as caught:
        steps.work(make_tools(sha=1, run="broken", policy="Update"))
    assert caught.value.reason is Reason.RUN_LOST
    fresh = make_tools(sha=1, collection="fresh")
    steps.run(fresh)
    assert contents(last) == contents(last, "fresh")


@pytest.mark.parametrize("why", ["gone", "unfinished", "another's", "other vectors"])
def test_a_previous_collection_of_no_use(make_tools: MakeTools, why: str) -> None:
    source = "default/other" if why == "another's" else "default/shop"
    before = make_tools(collection="before", source=source)
    steps.run(before)
    standing = before.database.find("before")
    assert standing is not None
    if why == "gone":
        before.database._server.delete_collection("before")
    elif why == "unfinished":
        standing.replace_metadata({**standing.metadata, "finished_ingest": False})
    elif why == "other vectors":
        standing.replace_metadata({**standing.metadata, "embedding_config": "another"})
    tools = make_tools(previous="before")
    steps.run(tools)
    chunks = tools.progress.result().chunks
    assert (chunks.reused, chunks.embedded) == (0, chunks.written)


def test_the_previous_collection_goes_in_mid_run(make_tools: MakeTools) -> None:
    before = make_tools(collection="before")
    steps.run(before)
    tools = make_tools(previous="before")
    opened = tools.connector.open

    def deletes_first(ref: Ref, known: str | None) -> Outcome:
        if before.database.find("before") is not None:
            before.database._server.delete_collection("before")
        return opened(ref, known)

    tools.connector.open = deletes_first  # type: ignore[method-assign]
    steps.run(tools)
    chunks = tools.progress.result().chunks
    assert (chunks.reused, chunks.embedded) == (0, chunks.written)


def test_a_laptop_finds_the_previous_collection(make_tools: MakeTools) -> None:
    for name in ("older", "newer"):
        steps.run(make_tools(collection=name))
    steps.run(make_tools(collection="anothers", source="default/other"))
    steps.plan(make_tools(collection="unfinished"))

    def last_finished(**what: str) -> str | None:
        tools = make_tools(**what)
        return last_finished_collection(tools.database, tools.configuration)

    assert last_finished(collection="next") == "newer"
    assert last_finished(collection="newer") == "older"
    assert last_finished(source="default/none") is None


def test_a_pattern_that_matches_no_file_is_told_of(make_tools: MakeTools) -> None:
    tools = make_tools(globs=("*.md", "*.rs"))
    steps.run(tools)
    result = tools.progress.result()
    assert result.notes == ["spec.github.includeGlobs: '*.rs' matches no file."]
    assert result.documents.indexed == 1
