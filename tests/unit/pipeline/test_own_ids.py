"""Documents with ids of their own and metadata of the user's, in a collection that is shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.fetch import EVERYTHING, Kept, OneKey, Outcome, Ref, Scope
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.records import Record, document_sha
from chroma_sync.pipeline.index.writes import RefusedRecord
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox
from unit.pipeline.shelf import Shelf, Shelves, lines

A, B = "team/a", "team/b"
BREAD, OVEN, CAKE = lines("bread", 5), lines("oven", 3), lines("cake", 4)


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[Shelves]:
    made = Shelves(tmp_path)
    yield made
    made.database.close()


def named(texts: Mapping[str, str], **own_ids: str) -> Shelf:
    """A shelf of which some documents have ids of their own."""
    return Shelf(texts, {key: {"own_id": id_} for key, id_ in own_ids.items()})


def bases(shelves: Shelves, source: str | None = None) -> dict[str, set[str]]:
    """What the ids of each document's records begin with."""
    found: dict[str, set[str]] = {}
    for id_, (_, metadata) in shelves.records(source).items():
        found.setdefault(metadata["document_key"], set()).add(id_.rpartition("-")[0])
    return found


def run(tools: Toolbox) -> dict[str, Any]:
    """The counts of a run, of which a plan told the same; and its failures, by document."""
    told = forecast(tools)
    steps.run(tools)
    result = tools.progress.result()
    counts = result.documents
    assert (told.added + told.changed, told.unchanged) == (counts.indexed, counts.unchanged)
    assert (told.removed, told.kept) == (counts.removed, counts.kept)
    assert told.failed.total() == counts.failed
    assert told.texts == result.chunks.embedded
    return counts.model_dump(exclude_defaults=True)


def failures(tools: Toolbox) -> dict[str, str]:
    return {f.document: f.reason for f in tools.progress.result().failures}


@pytest.mark.parametrize("own_id", ["loaf", "a-1-0", "ü\n*", "f" * 64, "-", "x" * 120])
def test_ids_begin_with_it(shelves: Shelves, own_id: str) -> None:
    tools = shelves.tools(named({"bread": BREAD, "oven": OVEN}, bread=own_id))
    assert run(tools) == {"discovered": 2, "indexed": 2}
    assert bases(shelves) == {"bread": {own_id}, "oven": {document_sha("oven")}}
    assert shelves.texts() == {"bread": BREAD, "oven": OVEN}
    for _, metadata in shelves.records().values():
        key = metadata["document_key"]
        assert metadata.get("custom_id") == (own_id if key == "bread" else None)
        assert metadata["document_key_sha256"] == document_sha(key)
    again = shelves.tools(named({"bread": BREAD, "oven": OVEN}, bread=own_id))
    assert run(again) == {"discovered": 2, "unchanged": 2}
    # Its tail goes as any other's, and so does all of it.
    assert run(shelves.tools(named({"bread": "rye\n", "oven": OVEN}, bread=own_id))) == {
        "discovered": 2,
        "indexed": 1,
        "unchanged": 1,
    }
    assert shelves.texts() == {"bread": "rye\n", "oven": OVEN}
    assert run(shelves.tools({"oven": OVEN})) == {"discovered": 1, "unchanged": 1, "removed": 1}
    assert shelves.texts() == {"oven": OVEN}


@pytest.mark.parametrize("scope", [EVERYTHING, OneKey("bread")])
def test_a_document_takes_another_id_and_gives_it_up(shelves: Shelves, scope: Scope) -> None:
    """Nothing is embedded for it, it counts as no removal, and others' ids stay."""
    run(shelves.tools({"other": CAKE}, B))
    embedded = []
    for own_id in ("loaf", "bun", None, "loaf"):
        shelf = named({"bread": BREAD}, **({"bread": own_id} if own_id else {}))
        shelf.speaks_for = scope
        tools = shelves.tools(shelf)
        assert run(tools) == {"discovered": 1, "indexed": 1}
        assert bases(shelves, A) == {"bread": {own_id or document_sha("bread")}}
        assert shelves.texts() == {"bread": BREAD, "other": CAKE}
        embedded.append(tools.progress.result().chunks.embedded)
    assert embedded == [3, 0, 0, 0]


def test_an_id_that_another_source_has_is_taken(shelves: Shelves) -> None:
    run(shelves.tools(named({"bread": BREAD}, bread="loaf"), A))
    theirs = shelves.records(A)
    tools = shelves.tools(named({"cake": CAKE, "oven": OVEN}, cake="loaf"), B)
    assert run(tools) == {"discovered": 2, "indexed": 1, "failed": 1}
    assert failures(tools) == {"cake": "IdTaken"}
    (failure,) = tools.progress.result().failures
    assert failure.message.startswith("'bread' of Source team/a has the ids that the records of")
    assert "customId" in failure.message
    assert shelves.records(A) == theirs
    assert shelves.texts(B) == {"oven": OVEN}
    # It may have another one, and what it then has stays while it asks for one that is taken.
    run(shelves.tools(named({"cake": CAKE, "oven": OVEN}, cake="bun"), B))
    again = shelves.tools(named({"cake": OVEN, "oven": OVEN}, cake="loaf"), B)
    assert run(again) == {"discovered": 2, "unchanged": 1, "kept": 1}
    assert shelves.texts(B) == {"cake": CAKE, "oven": OVEN}
    assert shelves.records(A) == theirs


def test_a_key_that_another_source_has_is_taken_too(shelves: Shelves) -> None:
    run(shelves.tools({"bread": BREAD}, A))
    theirs = shelves.records(A)
    tools = shelves.tools({"bread": CAKE, "oven": OVEN}, B)
    assert run(tools) == {"discovered": 2, "indexed": 1, "failed": 1}
    assert failures(tools) == {"bread": "IdTaken"}
    assert shelves.records(A) == theirs
    # With an id of its own it has its place; then both may come and go.
    assert run(shelves.tools(named({"bread": CAKE, "oven": OVEN}, bread="ours"), B)) == {
        "discovered": 2,
        "indexed": 1,
        "unchanged": 1,
    }
    assert shelves.records(A) == theirs
    assert shelves.texts(B) == {"bread": CAKE, "oven": OVEN}
    ours = shelves.records(B)
    run(shelves.tools({"bread": "rye\n"}, A))
    assert shelves.records(B) == ours
    assert shelves.texts(A) == {"bread": "rye\n"}


@pytest.mark.parametrize("stood", [False, True])
def test_ids_that_another_source_takes_meanwhile_are_not_written_over(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch, stood: bool
) -> None:
    """It comes after all was asked for, and before this one is written. What this one has under
    another id stays."""
    if stood:
        run(shelves.tools(named({"bread": OVEN}, bread="bun"), A))
    tools = shelves.tools(named({"bread": BREAD, "oven": OVEN}, bread="loaf"), A)
    real = tools.connector.open

    def opened(ref: Ref, known: str | None) -> Outcome:
        if ref.key == "bread":
            steps.run(shelves.tools(named({"cake": CAKE}, cake="loaf"), B))
        return real(ref, known)

    monkeypatch.setattr(tools.connector, "open", opened)
    steps.run(tools)
    assert failures(tools) == {"bread": "IdTaken"}
    counts = tools.progress.result().documents
    assert (counts.indexed, counts.failed, counts.kept) == (1, not stood, stood)
    assert bases(shelves, B) == {"cake": {"loaf"}}
    assert shelves.texts(B) == {"cake": CAKE}
    assert shelves.texts(A) == {"oven": OVEN} | ({"bread": OVEN} if stood else {})


def test_the_id_of_another_document_of_the_source_is_taken(shelves: Shelves) -> None:
    run(shelves.tools(named({"bread": BREAD}, bread="loaf")))
    stood = shelves.records()
    shelf = named({"cake": CAKE}, cake="loaf")
    shelf.speaks_for = OneKey("cake")
    tools = shelves.tools(shelf)
    assert run(tools) == {"discovered": 1, "failed": 1}
    assert failures(tools) == {"cake": "IdTaken"}
    assert shelves.records() == stood


def test_of_two_documents_in_a_list_with_one_id_the_first_has_it(shelves: Shelves) -> None:
    shelf = named({"bread": BREAD, "cake": CAKE}, bread="loaf", cake="loaf")
    tools = shelves.tools(shelf)
    steps.run(tools)
    assert failures(tools) == {"cake": "IdTaken"}
    assert shelves.texts() == {"bread": BREAD}
    # What another one of them had goes to the first, as in a run from nothing.
    steps.run(shelves.tools(named({"cake": CAKE}, cake="loaf")))
    assert shelves.texts() == {"cake": CAKE}
    steps.run(shelves.tools(shelf))
    assert shelves.texts() == {"bread": BREAD}


def test_an_id_moves_from_one_document_to_another(shelves: Shelves) -> None:
    run(shelves.tools(named({"bread": BREAD, "cake": OVEN}, bread="loaf", cake="bun")))
    tools = shelves.tools(named({"bread": BREAD, "cake": OVEN}, bread="bun", cake="loaf"))
    steps.run(tools)
    assert shelves.texts() == {"bread": BREAD, "cake": OVEN}
    assert bases(shelves) == {"bread": {"bun"}, "cake": {"loaf"}}
    assert tools.progress.result().chunks.embedded == 0
    assert tools.progress.result().documents.removed == 0


def test_what_cant_be_read_now_stays_under_the_id_that_it_has(shelves: Shelves) -> None:
    run(shelves.tools(named({"bread": BREAD, "oven": OVEN}, bread="loaf")))
    stood = shelves.records()
    away = Kept(DocumentReason.GONE, "The host is away.")
    for own_ids in ({"bread": "bun"}, {}, {"bread": "loaf"}):
        texts = {"bread": CAKE, "oven": OVEN}
        shelf = named(texts, **own_ids)
        shelf.answers = {"bread": away}
        assert run(shelves.tools(shelf)) == {"discovered": 2, "unchanged": 1, "kept": 1}
        assert shelves.records() == stood


def test_several_pods_share_documents_with_ids_of_their_own(shelves: Shelves) -> None:
    texts = {f"{n}": lines(f"text {n}", 3) for n in range(12)}
    run(shelves.tools(named({**texts, "gone": BREAD}, **{k: f"id-{k}" for k in texts})))
    own_ids = {k: f"new-{k}" for k in ("1", "2", "3")} | {k: f"id-{k}" for k in ("4", "5")}
    texts = {**texts, "4": CAKE}
    shelf = named(texts, **own_ids)
    steps.plan(shelves.tools(shelf, run="r"))
    seals = []
    for index in range(3):
        tools = shelves.tools(shelf, run="r")
        steps.work(tools, Shard(index, 3))
        seals.append(tools.progress.result().seal)
    last = shelves.tools(shelf, run="r")
    last.configuration.seals = seals
    steps.finish(last)
    assert last.progress.result().documents.removed == 1
    assert shelves.texts() == texts
    assert bases(shelves) == {k: {own_ids.get(k, document_sha(k))} for k in texts}


# Metadata of the user's


def with_metadata(shelves: Shelves, metadata: Mapping[str, Any], text: str = BREAD) -> Toolbox:
    shelf = Shelf({"bread": text}, {"bread": {"metadata": metadata}})
    return shelves.tools(shelf)


def test_metadata_stands_on_each_record_and_changes_without_a_vector(shelves: Shelves) -> None:
    run(shelves.tools({"cake": CAKE}, B))
    first = {"team": "people", "level": 3, "share": 0.5, "open": True, "tags": ["a", "b"]}
    second = {"level": "three", "tags": ["c"], "numbers": [1, 2], "nothing": None}
    for metadata in (first, second, {}, second, first):
        tools = with_metadata(shelves, metadata)
        assert run(tools) == {"discovered": 1, "indexed": 1}
        stands = {key: value for key, value in metadata.items() if value is not None}
        bare = shelves.records(B).values()
        ours = {key for _, record in bare for key in record}
        for _, record in shelves.records(A).values():
            assert {k: v for k, v in record.items() if k not in ours} == stands
        assert run(with_metadata(shelves, metadata)) == {"discovered": 1, "unchanged": 1}
    assert tools.progress.result().chunks.embedded == 0
    # A key without a value is none.
    assert run(with_metadata(shelves, {**first, "nothing": None})) == {
        "discovered": 1,
        "unchanged": 1,
    }


def test_a_text_and_its_metadata_change_at_once(shelves: Shelves) -> None:
    run(with_metadata(shelves, {"team": "people"}))
    run(with_metadata(shelves, {"group": "bakers"}, CAKE))
    assert shelves.texts() == {"bread": CAKE}
    for _, record in shelves.records().values():
        assert record["group"] == "bakers" and "team" not in record


# What a reader sees


@pytest.mark.parametrize("own_ids", [("", ""), ("loaf", "loaf"), ("loaf", "bun"), ("", "bun")])
def test_a_reader_finds_one_whole_version_at_least(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch, own_ids: tuple[str, str]
) -> None:
    """After each write. Where the ids stay chunks are written over, chunk 0 the last: none is ever
    missing, and the tail of the old ones goes when all of the new ones stand. Else the old ones
    stand until all of the new ones do."""
    run(shelves.tools({"cake": CAKE}, B))
    old, new = (lines(word, count) for word, count in (("old", 9), ("new", 5)))
    first, then = ({"bread": own_id} if own_id else {} for own_id in own_ids)
    run(shelves.tools(named({"bread": old}, **first)))
    before, after = (own_id or document_sha("bread") for own_id in own_ids)
    seen = []

    def look() -> None:
        words: dict[str, dict[int, str]] = {}
        for id_, (text, _) in shelves.records(A).items():
            base, _, n = id_.rpartition("-")
            words.setdefault(base, {})[int(n)] = text.split()[0]
        is_new = [words.get(after, {}).get(n) for n in range(3)] == ["new"] * 3
        seen.append(is_new)
        if not is_new:
            assert set(words[before]) == set(range(5)), "nothing of the old one goes before"
            assert words[before][0] == "old"

    writes, deletes = Collection.upsert, Collection.delete

    def upsert(self: Collection, records: Sequence[Record]) -> list[RefusedRecord]:
        refused = writes(self, records)
        look()
        return refused

    def delete(self: Collection, ids: Sequence[str]) -> None:
        deletes(self, ids)
        look()

    monkeypatch.setattr(Collection, "upsert", upsert)
    monkeypatch.setattr(Collection, "delete", delete)
    steps.run(shelves.tools(named({"bread": new}, **then)))
    monkeypatch.undo()
    assert False in seen and seen[-1] is True
    assert shelves.texts() == {"cake": CAKE, "bread": new}
    assert bases(shelves, A) == {"bread": {after}}
