"""What a run may delete: what its scope covers, of records that carry its Source's name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.fetch import EVERYTHING, OneKey, Prefix, Scope
from chroma_sync.pipeline.index.records import document_sha, record_id
from chroma_sync.pipeline.toolbox import Toolbox

MakeTools = Callable[..., Toolbox]


def keys(tools: Toolbox) -> set[str]:
    collection = tools.database.find("target")
    assert collection is not None
    found = collection._handle.get(include=["metadatas"])
    return {str(one["document_key"]) for one in found["metadatas"] or []}


@pytest.mark.parametrize(
    ("scope", "is_covered"),
    [
        (EVERYTHING, True),
        (Prefix("sm"), True),
        (OneKey("small.md"), True),
        (Prefix("small.md/"), False),
        (OneKey("small.m"), False),
    ],
)
def test_what_is_outside_of_the_scope_stays(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, scope: Scope, is_covered: bool
) -> None:
    """The second commit lacks small.md."""
    steps.run(make_tools())
    update = make_tools(sha=1, policy="Update", max_delete_percent=100)
    refs = update.connector.refs
    monkeypatch.setattr(update.connector, "scope", lambda: scope)
    monkeypatch.setattr(
        update.connector, "refs", lambda: (ref for ref in refs() if scope.covers(ref.key))
    )
    steps.run(update)
    assert ("small.md" in keys(update)) is not is_covered
    assert {"big.py", "same.txt"} <= keys(update)
    assert update.progress.result().documents.removed == is_covered


def test_a_list_lies_in_its_scope(make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = make_tools()
    monkeypatch.setattr(tools.connector, "scope", lambda: OneKey("same.txt"))
    with pytest.raises(RuntimeError, match=r"'big\.py' was listed, and lies outside"):
        steps.run(tools)


@pytest.mark.parametrize("source", ["default/other", None])
def test_records_that_do_not_carry_the_name_stay(make_tools: MakeTools, source: str | None) -> None:
    first = make_tools()
    steps.run(first)
    collection = first.database.find("target")
    assert collection is not None
    ours = {"document_key": "theirs", "document_key_sha256": document_sha("theirs")}
    collection._handle.add(
        ids=[record_id(document_sha("theirs"), 0)],
        documents=["Something else."],
        metadatas=[ours | ({"source": source} if source else {})],
        embeddings=[[1.0] * 16],
    )
    update = make_tools(sha=1, policy="Update")
    steps.run(update)
    assert keys(update) == {"big.py", "same.txt", "new.txt", "theirs"}
