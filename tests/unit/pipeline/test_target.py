"""How the target is read: which documents stand whole, what is left over, with little metadata."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.existing import load_orphans, load_target
from chroma_sync.pipeline.fetch import EVERYTHING, Ref
from chroma_sync.pipeline.index.calls import Calls
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.records import (
    GAVE_UP_AT,
    document_sha,
    document_state,
    record_id,
)
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.run import start
from chroma_sync.pipeline.toolbox import Toolbox

MakeTools = Callable[..., Toolbox]
Damage = Callable[[Toolbox, Collection], None]


@pytest.fixture
def indexed(make_tools: MakeTools) -> tuple[Toolbox, Collection]:
    """A finished run over three documents: big.py with many records, small.md, same.txt."""
    tools = make_tools()
    steps.run(tools)
    collection = tools.database.find("target")
    assert collection is not None
    return tools, collection


def documents(tools: Toolbox) -> list[Ref]:
    return [e for e in tools.connector.refs() if e.key != "picture.png"]


def versions(tools: Toolbox) -> dict[str, str]:
    """Of the documents; picture.png is none, as its bytes tell."""
    return {e.key: e.version or "" for e in documents(tools)}


def outcome(tools: Toolbox, collection: Collection, path: Path) -> tuple[set[str], set[str]]:
    """Which documents stand whole, and the ids that are left over, after the target was read."""
    with closing(Ledger(path / "ledger.sqlite")) as ledger:
        for entry in documents(tools):
            ledger.meet(entry)
        configs = start(tools).configs
        load_target(ledger, collection, configs)
        load_orphans(ledger, collection, EVERYTHING, configs)
        whole = {one.key for one in ledger.open_documents() if one.is_whole}
        return whole, {i for orphan in ledger.orphans() for i in orphan.ids}


def big(n: int) -> str:
    return record_id(document_sha("big.py"), n)


def numbers_of_big(collection: Collection) -> list[int]:
    ids = {id_ for page in collection.ids() for id_ in page}
    return [n for n in range(1_000) if big(n) in ids]


def state_of_big(
    tools: Toolbox, *, gave_up: bool = False, is_last: bool = False, version: str = ""
) -> dict[str, str | int]:
    sha, version = document_sha("big.py"), version or versions(tools)["big.py"]
    configs = start(tools).configs
    state = document_state(sha, version, configs, gave_up=gave_up, is_last=is_last)
    bound = {GAVE_UP_AT: configs.parser_bytes} if gave_up else {}
    return {"document_state": state, **bound}


def nothing(tools: Toolbox, collection: Collection) -> None:
    """All is as the run left it."""


def a_hole(tools: Toolbox, collection: Collection) -> None:
    collection.delete([big(2)])


def no_chunk_0(tools: Toolbox, collection: Collection) -> None:
    collection.delete([big(0)])


def a_version_of_another_document(tools: Toolbox, collection: Collection) -> None:
    """As a run leaves it that breaks off while big.py has the content that same.txt has now."""
    version = versions(tools)["same.txt"]
    state = state_of_big(tools, version=version)
    collection._handle.update(big(2), metadatas={"version_key": version, **state})


def a_document_that_is_gone(tools: Toolbox, collection: Collection) -> None:
    page = collection._handle.get(ids=big(0), include=["embeddings", "metadatas"])
    id_ = record_id(document_sha("gone.py"), 0)
    collection._handle.add(id_, page["embeddings"], page["metadatas"], "gone")


def cut_by_lines(tools: Toolbox, collection: Collection, first: int) -> None:
    """Chunks `first` to 5 as they are when the parse of big.py took too long."""
    for n in range(first, 6):
        state = state_of_big(tools, gave_up=True, is_last=n == 5)
        collection._handle.update(big(n), metadatas=state)


def a_tail_of_another_cut(tools: Toolbox, collection: Collection) -> None:
    """The last chunk of either cut stands."""
    cut_by_lines(tools, collection, 0)


def two_cuts_mixed(tools: Toolbox, collection: Collection) -> None:
    """The same, but the pod was killed before it wrote chunk 0."""
    cut_by_lines(tools, collection, 1)


def two_cuts_mixed_of_as_many_chunks(tools: Toolbox, collection: Collection) -> None:
    two_cuts_mixed(tools, collection)
    collection.delete([big(n) for n in numbers_of_big(collection) if n > 5])


def one_chunk_by_now(tools: Toolbox, collection: Collection) -> None:
    collection._handle.update(big(0), metadatas=state_of_big(tools, gave_up=True, is_last=True))


def no_last_chunk(tools: Toolbox, collection: Collection) -> None:
    collection.delete([big(max(numbers_of_big(collection)))])


def records_of_others(tools: Toolbox, collection: Collection) -> None:
    """Whatever their metadata says, what counts is their id."""
    page = collection._handle.get(ids=big(1), include=["embeddings", "metadatas"])
    for id_ in ("by hand", f"{document_sha('big.py')}-01", record_id("zz", 1)):
        collection._handle.add(id_, page["embeddings"], page["metadatas"], "theirs")


# What is then left over of big.py (None: all of it), and whether it is whole.
DAMAGES: list[tuple[Damage, slice | None, bool]] = [
    (nothing, slice(0, 0), True),
    (records_of_others, slice(0, 0), True),
    (a_document_that_is_gone, slice(0, 0), True),
    (a_tail_of_another_cut, slice(6, None), True),
    (one_chunk_by_now, slice(1, None), True),
    (two_cuts_mixed, None, False),
    (two_cuts_mixed_of_as_many_chunks, None, False),
    (a_hole, None, False),
    (no_chunk_0, None, False),
    (a_version_of_another_document, None, False),
    (no_last_chunk, None, False),
]


@pytest.mark.parametrize("read_limit", [7, 10_000])
@pytest.mark.parametrize(("damage", "left", "is_whole"), DAMAGES)
def test_what_stands_whole_and_what_is_left_over(
    indexed: tuple[Toolbox, Collection],
    damage: Damage,
    left: slice | None,
    is_whole: bool,
    tmp_path: Path,
    read_limit: int,
) -> None:
    tools, whole_reads = indexed
    collection = Collection(whole_reads._handle, whole_reads._call, read_limit)
    damage(tools, collection)
    numbers = numbers_of_big(collection)
    assert len(numbers) > 5
    expected = {big(n) for n in numbers[left or slice(None)]}
    if damage is a_document_that_is_gone:
        expected.add(record_id(document_sha("gone.py"), 0))
    whole = {"small.md", "same.txt"} | ({"big.py"} if is_whole else set())
    assert outcome(tools, collection, tmp_path) == (whole, expected)


def test_an_id_that_moves_to_the_next_page_hides_no_hole(
    indexed: tuple[Toolbox, Collection], tmp_path: Path
) -> None:
    """Another pod brings a record up to date between two pages, before what was read by then."""
    tools, whole_reads = indexed
    ends = (big(0), big(max(numbers_of_big(whole_reads))))
    numbers = {big(n) for n in numbers_of_big(whole_reads)} - {*ends}
    middles = [id_ for page in whole_reads.ids() for id_ in page if id_ in numbers]
    late, hole = middles[0], middles[-1]
    state = whole_reads._handle.get(late, include=["metadatas"])["metadatas"][0]
    whole_reads._handle.update(late, metadatas={"document_state": "older"})
    whole_reads.delete([hole])
    pages: list[list[str]] = []

    class Handle:
        id, name, metadata = "id", "target", None

        def get(self, **question: Any) -> Any:
            page = whole_reads._handle.get(**question)
            if numbers & set(page["ids"]):
                whole_reads._handle.update(late, metadatas=state)
                pages.append(page["ids"])
            return page

        def count(self) -> int:
            return whole_reads.count()

    collection = Collection(Handle(), whole_reads._call, 7)
    whole, _ = outcome(tools, collection, tmp_path)
    assert pages[1][0] == pages[0][-1], "it came twice"
    assert "big.py" not in whole


def test_what_did_not_change_costs_no_metadata(
    indexed: tuple[Toolbox, Collection], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools, collection = indexed
    real, included = type(collection._handle).get, []

    def seen(self: Any, *arguments: Any, include: list[str], **more: Any) -> Any:
        included.append(include)
        return real(self, *arguments, include=include, **more)

    monkeypatch.setattr(type(collection._handle), "get", seen)
    whole, left = outcome(tools, collection, tmp_path)
    assert (whole, left) == (set(versions(tools)), set())
    assert included and not any(included)


@pytest.mark.parametrize(
    ("batch", "read", "write"),
    [(5_461, 10_000, 300), (41_666, 10_000, 300), (1_000, 300, 300), (100, 300, 100)],
)
def test_reads_stay_within_the_quotas_of_a_hosted_server(batch: int, read: int, write: int) -> None:
    class Server:
        def get_max_batch_size(self) -> int:
            return batch

    calls = Calls("here", 0.0, time.sleep, lambda _: None)
    database = Database(Server(), "team-a", "shop", calls, lambda: None)
    assert (database.read_limit(), database.write_limit()) == (read, write)
