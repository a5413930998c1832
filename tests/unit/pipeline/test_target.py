"""How the target is read: with little metadata, and to the same end as with all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.index.calls import Calls
from chroma_sync.pipeline.index.chroma import Collection, Database, Stored
from chroma_sync.pipeline.index.records import document_sha, document_state, record_id
from chroma_sync.pipeline.index.state import TargetState, is_unchanged
from chroma_sync.pipeline.index.target import load_target
from chroma_sync.pipeline.steps import Toolbox

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


def versions(tools: Toolbox) -> dict[str, str]:
    """Of the documents; picture.png is none, as its bytes tell."""
    return {e.key: e.version for e in tools.source.entries() if e.key != "picture.png"}


def outcome(tools: Toolbox, path: Path, load: Callable[[TargetState], None]) -> tuple[Any, Any]:
    """Which documents are unchanged, and what is left over, after the target was read."""
    with steps.target_state(path) as state:
        state.load_listing(versions(tools).items())
        load(state)
        unchanged = {
            key: is_unchanged(state.known(key), version, tools.configs.document)
            for key, version in versions(tools).items()
        }
        return unchanged, sorted(i for left in state.leftovers(tools.configs) for i in left.ids)


def big(n: int) -> str:
    return record_id(document_sha("big.py"), n)


def nothing(tools: Toolbox, collection: Collection) -> None:
    """All is as the run left it."""


def a_hole(tools: Toolbox, collection: Collection) -> None:
    collection.delete([big(2)])


def no_chunk_0(tools: Toolbox, collection: Collection) -> None:
    collection.delete([big(0)])


def a_version_of_another_document(tools: Toolbox, collection: Collection) -> None:
    """As a run leaves it that breaks off while big.py has the content that same.txt has now."""
    version = versions(tools)["same.txt"]
    state = document_state(document_sha("big.py"), version, tools.configs.document)
    collection._handle.update(big(2), metadatas={"version_key": version, "document_state": state})


def a_document_that_is_gone(tools: Toolbox, collection: Collection) -> None:
    page = collection._handle.get(ids=big(0), include=["embeddings", "metadatas"])
    id_ = record_id(document_sha("gone.py"), 0)
    collection._handle.add(id_, page["embeddings"], page["metadatas"], "gone")


def an_older_release(tools: Toolbox, collection: Collection) -> None:
    """Its records lack the state."""
    ids = [id_ for page in collection.ids() for id_ in page]
    collection._handle.update(ids, metadatas=[{"document_state": None} for _ in ids])


DAMAGES = [
    *(nothing, a_hole, no_chunk_0, a_version_of_another_document, a_document_that_is_gone),
    an_older_release,
]


@pytest.mark.parametrize("read_limit", [7, 10_000])
@pytest.mark.parametrize("damage", DAMAGES)
def test_as_if_all_metadata_were_read(
    indexed: tuple[Toolbox, Collection], damage: Damage, tmp_path: Path, read_limit: int
) -> None:
    tools, whole_reads = indexed
    collection = Collection(whole_reads._handle, whole_reads._call, read_limit)
    damage(tools, collection)
    found = outcome(
        tools, tmp_path / "a", lambda state: load_target(state, collection, tools.configs)
    )
    assert found == outcome(tools, tmp_path / "b", lambda state: state.load(collection.records()))
    unchanged, left = found
    whole = damage in (nothing, a_document_that_is_gone, an_older_release)
    assert unchanged == {"big.py": whole, "small.md": True, "same.txt": True}
    assert bool(left) is (damage not in (nothing, an_older_release))


def test_what_did_not_change_costs_one_record_a_document(
    indexed: tuple[Toolbox, Collection], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools, collection = indexed
    asked: list[str] = []
    some = Collection.some

    def counted(self: Collection, ids: Sequence[str]) -> Iterator[Stored]:
        asked.extend(ids)
        return some(self, ids)

    monkeypatch.setattr(Collection, "some", counted)
    outcome(tools, tmp_path / "a", lambda state: load_target(state, collection, tools.configs))
    assert sorted(asked) == sorted(record_id(document_sha(key), 0) for key in versions(tools))
    assert collection.count() > 50


@pytest.mark.parametrize(
    ("batch", "read", "write"),
    [(5_461, 10_000, 300), (41_666, 10_000, 300), (1_000, 300, 300), (100, 300, 100)],
)
def test_reads_stay_within_the_quotas_of_a_hosted_server(batch: int, read: int, write: int) -> None:
    class Client:
        def get_max_batch_size(self) -> int:
            return batch

    database = Database(Client(), Calls("here", 0.0, time.sleep, lambda _: None))
    assert (database.read_limit(), database.write_limit()) == (read, write)
