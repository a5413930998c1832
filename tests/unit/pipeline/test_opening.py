"""What only opening a document tells: its version and its final key, that it is as it was, gone, or
can't be read now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch import (
    EVERYTHING,
    Kept,
    Opened,
    Outcome,
    Prefix,
    Ref,
    Scope,
    Skipped,
    Unchanged,
)
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.toolbox import Toolbox

MakeTools = Callable[..., Toolbox]
REFUSED = Kept(DocumentReason.MALFORMED, "The host answers with 403 for now.")


class LateConnector:
    """Documents by their keys, of which the listing gives no more. An outcome stands for itself; a
    text may stand under another key than it was listed by. `opened` has what was known of each."""

    lanes = 1

    def __init__(self, documents: dict[str, str | Outcome], moved: dict[str, str]) -> None:
        self.documents = documents
        self.moved = moved
        self.conditional = True
        self.media_type: str | None = None
        self.speaks_for: Scope = EVERYTHING
        self.opened: dict[str, str | None] = {}

    def resolve(self) -> str:
        return "now"

    def check(self) -> None:
        """It is there."""

    def prepare(self, revision: str) -> None:
        """There is one revision alone."""

    def refs(self) -> Generator[Ref, None, None]:
        yield from (Ref(key, version=None, size=None) for key in self.documents)

    def scope(self) -> Scope:
        return self.speaks_for

    def notes(self) -> list[str]:
        return []

    def open(self, ref: Ref, known: str | None) -> Outcome:
        self.opened[ref.key] = known
        found = self.documents[ref.key]
        if not isinstance(found, str):
            return found
        version = hashlib.sha256(found.encode()).hexdigest()
        if self.conditional and known == version:
            return Unchanged()
        key = self.moved.get(ref.key, ref.key)
        complete = replace(ref, key=key, version=version, media_type=self.media_type)
        return Opened(complete, found.encode())

    def close(self) -> None:
        """Nothing to give up."""


@pytest.fixture
def run(make_tools: MakeTools) -> Iterator[Run]:
    yield Run(make_tools)


class Run:
    """Runs over documents that are late. The last one is `tools`, its connector is `connector`."""

    tools: Toolbox
    connector: LateConnector

    def __init__(self, make_tools: MakeTools) -> None:
        self._make_tools = make_tools

    def __call__(
        self, documents: dict[str, str | Outcome], *, conditional: bool = True, **moved: str
    ) -> dict[str, int]:
        """Counts of the documents of a run, those that are not 0. A plan says the same."""
        told = forecast(self._tools(documents, moved, conditional))
        self.tools = self._tools(documents, moved, conditional)
        steps.run(self.tools)
        done = self.tools.progress.result()
        assert told.added + told.changed == done.documents.indexed
        assert (told.unchanged, told.kept) == (done.documents.unchanged, done.documents.kept)
        assert told.removed == done.documents.removed
        assert (told.skipped, told.failed.total()) == (done.skipped, done.documents.failed)
        assert (told.chunks, told.texts) == (done.chunks.written, done.chunks.embedded)
        counts = done.documents.model_dump()
        return {name: count for name, count in counts.items() if count}

    def _tools(
        self, documents: dict[str, str | Outcome], moved: dict[str, str], conditional: bool
    ) -> Toolbox:
        tools = self._make_tools(policy="Update", max_delete_percent=100)
        self.connector = LateConnector(documents, moved)
        self.connector.conditional = conditional
        tools.connector = self.connector
        return tools

    def texts(self) -> dict[str, str]:
        """What stands: the first texts by the keys of their documents."""
        collection = self.tools.database.find("target")
        assert collection is not None
        found = collection._handle.get(include=["documents", "metadatas"])
        assert collection.metadata["finished_ingest"] is True
        keys = [str(one["document_key"]) for one in found["metadatas"] or []]
        return dict(zip(keys, found["documents"] or [], strict=True))


@pytest.mark.parametrize("conditional", [True, False])
def test_a_version_that_only_opening_tells(run: Run, conditional: bool) -> None:
    assert run({"a": "one", "b": "two"}) == {"discovered": 2, "indexed": 2}
    assert run.connector.opened == {"a": None, "b": None}
    again = run({"a": "one", "b": "two, changed"}, conditional=conditional)
    assert again == {"discovered": 2, "indexed": 1, "unchanged": 1}
    known = hashlib.sha256(b"one").hexdigest()
    assert run.connector.opened["a"] == known
    assert run.tools.progress.result().chunks.embedded == 1
    assert run.texts() == {"a": "one", "b": "two, changed"}
    assert run({"a": "one", "b": "two, changed"}) == {"discovered": 2, "unchanged": 2}


def test_what_can_not_be_read_now_stays(run: Run) -> None:
    run({"a": "one", "b": "two"})
    assert run({"a": REFUSED, "b": "two"}) == {"discovered": 2, "kept": 1, "unchanged": 1}
    assert run.texts() == {"a": "one", "b": "two"}
    (failure,) = run.tools.progress.result().failures
    assert (failure.document, failure.message) == ("a", REFUSED.message)


def test_while_one_can_not_be_read_none_is_taken_for_gone(run: Run) -> None:
    """Nobody knows by which key it stands."""
    run({"a": "one", "b": "two", "old": "three"}, old="new")
    counts = run({"b": "two", "old": REFUSED}, old="new")
    assert counts == {"discovered": 2, "failed": 1, "unchanged": 1}
    assert run.texts() == {"a": "one", "b": "two", "new": "three"}
    assert "none was removed" in run.tools.progress.result().notes[0]
    counts = run({"b": "two", "old": "three"}, old="new")
    assert counts == {"discovered": 2, "unchanged": 2, "removed": 1}


def test_what_is_gone_by_now_goes(run: Run) -> None:
    run({"a": "one", "b": "two"})
    gone = run({"a": Skipped(DocumentReason.GONE), "b": "two"})
    assert gone == {"discovered": 2, "skipped": 1, "unchanged": 1, "removed": 1}
    assert run.tools.progress.result().skipped == {"Gone": 1}
    assert run.texts() == {"b": "two"}


def test_a_key_that_only_opening_tells(run: Run) -> None:
    assert run({"old": "one"}, old="new") == {"discovered": 1, "indexed": 1}
    assert run.texts() == {"new": "one"}
    # Nothing is known of it by the key that it is listed by.
    assert run({"old": "one"}, old="new") == {"discovered": 1, "unchanged": 1}
    assert run.connector.opened == {"old": None}
    assert run({"old": "two"}, old="new") == {"discovered": 1, "indexed": 1}
    assert run.texts() == {"new": "two"}


def test_two_documents_of_one_final_key(run: Run) -> None:
    counts = run({"a": "one", "b": "one", "c": "other"}, a="c", b="c")
    assert counts == {"discovered": 3, "indexed": 1, "skipped": 2}
    assert run.tools.progress.result().skipped == {"Duplicate": 2}
    assert run.texts() == {"c": "other"}


def test_what_else_opening_tells_is_no_change(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = LateConnector.__init__

    def typed(self: LateConnector, *what: Any) -> None:
        made(self, *what)
        self.media_type = "text/html"

    monkeypatch.setattr(LateConnector, "__init__", typed)
    assert run({"a": "one"}) == {"discovered": 1, "indexed": 1}
    assert run({"a": "one"}) == {"discovered": 1, "unchanged": 1}
    assert run.connector.opened["a"] is not None


@pytest.mark.parametrize("what", ["as it was", "changed", "moved"])
def test_what_is_lost_meanwhile_is_opened_as_it_was_listed(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    moved = {"a": "c"} if what == "moved" else {}
    finish = steps._finish
    for _ in range(2):  # the second time the records of the first are known
        tools = make_tools(policy="Update")
        connector = LateConnector({"a": "one", "b": "two"}, moved)
        tools.connector = connector

        def losing(
            tools: Toolbox, this: Any, ledger: Any, connector: LateConnector = connector
        ) -> Any:
            this.own()._handle.delete(ids=this.own()._handle.get()["ids"])
            if what == "changed":
                connector.documents["a"] = "one, later"
            return finish(tools, this, ledger)

        monkeypatch.setattr(steps, "_finish", losing)
        steps.run(tools)
        collection = tools.database.find("target")
        assert collection is not None
        found = collection._handle.get()["documents"] or []
        assert sorted(found) == ["one, later" if what == "changed" else "one", "two"]


def test_a_final_key_outside_of_the_scope(make_tools: MakeTools) -> None:
    tools = make_tools(policy="Update")
    connector = LateConnector({"docs/a": "one", "docs/b": "two"}, {"docs/a": "a"})
    connector.speaks_for = Prefix("docs/")
    tools.connector = connector
    steps.run(tools)
    result = tools.progress.result()
    assert (result.documents.indexed, result.skipped) == (1, {"OutOfScope": 1})


def test_of_two_pods_the_one_with_the_newer_list_deletes(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one lives on, though its node is taken for lost."""
    old, new = make_tools(policy="Update", run="r"), make_tools(policy="Update", run="r")
    old.connector = LateConnector({"a": "one"}, {})
    new.connector = LateConnector({"a": "one", "b": "two"}, {})
    work, finish = steps._work, steps._finish

    def both(tools: Toolbox, *more: Any) -> None:
        work(tools, *more)
        if tools is old:
            with pytest.raises(_StoppedError):
                steps.run(new)

    def stops(tools: Toolbox, *more: Any) -> Any:
        if tools is new:
            raise _StoppedError
        return finish(tools, *more)

    monkeypatch.setattr(steps, "_work", both)
    monkeypatch.setattr(steps, "_finish", stops)
    with pytest.raises(Temporary, match="Another pod of this run finishes"):
        steps.run(old)
    collection = new.database.find("target")
    assert collection is not None and collection.count() == 2


class _StoppedError(Exception):
    pass


def _listed_as(monkeypatch: pytest.MonkeyPatch, *refs: Ref) -> None:
    monkeypatch.setattr(LateConnector, "refs", lambda _: (ref for ref in refs))


def test_a_listed_key_is_final(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _listed_as(monkeypatch, Ref("a", "1", 3))
    with pytest.raises(RuntimeError, match="'a' was listed by another key"):
        run({"a": "one"}, a="b")


def test_one_that_was_changed_since_it_was_listed_stands_as_it_was_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _listed_as(monkeypatch, Ref("a", "1", 3))
    counts = run({"a": "one"})
    assert counts == {"discovered": 1, "indexed": 1}
    assert run.texts() == {"a": "one"}
    # The next list has the version that was read.
    version = hashlib.sha256(b"one").hexdigest()
    _listed_as(monkeypatch, Ref("a", version, 3))
    assert run({"a": "one"}) == {"discovered": 1, "unchanged": 1}
    assert run.connector.opened == {}


def test_what_is_opened_has_a_version(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LateConnector, "open", lambda *_: Unchanged())
    with pytest.raises(RuntimeError, match="'a' was opened, and still has no version"):
        run({"a": "one"})
