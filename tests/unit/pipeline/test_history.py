"""A history of 30 commits, indexed commit by commit: in place, and into a new collection each time.

After each commit both hold, record for record, what a run from nothing gives, and exactly the
chunks that are new were embedded.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.records import is_first
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel
from fakes.history import COMMITS, history

MakeTools = Callable[..., Toolbox]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    root = tmp_path_factory.mktemp("history")
    (root / "acme").mkdir()
    commits = repository.write(root / "acme" / "told", history())
    with serving(root) as url:
        yield url, commits


Contents = dict[str, tuple[str, dict[str, Any], Any]]


def contents(database: Database, name: str) -> Contents:
    """Every record of a collection, by id: text, metadata, vector."""
    collection = database.find(name)
    assert collection is not None
    page = collection._handle.get(include=["documents", "metadatas", "embeddings"])
    rows = zip(page["ids"], page["documents"], page["metadatas"], page["embeddings"], strict=True)
    return {i: (text, dict(m), np.asarray(v)) for i, text, m, v in rows}


def documents(collection: Collection) -> set[str]:
    """The documents that a collection has, by their chunk 0."""
    page = collection._handle.get(include=["metadatas"])
    rows = zip(page["ids"], page["metadatas"], strict=True)
    return {m["document_key"] for id_, m in rows if is_first(id_)}


def same(left: Contents, right: Contents) -> None:
    assert left.keys() == right.keys()
    for id_, (text, metadata, vector) in left.items():
        assert (text, metadata) == right[id_][:2]
        assert np.allclose(vector, right[id_][2], atol=1e-5)


def new_texts(before: Contents, after: Contents) -> int:
    """How many texts did not stand before, under whatever document."""

    def texts(found: Contents) -> set[str]:
        return {text for text, _, _ in found.values()}

    return len(texts(after) - texts(before))


def test_thirty_commits(told: tuple[str, list[str]], make_tools: MakeTools, tmp_path: Path) -> None:
    url, commits = told
    assert len(commits) == COMMITS

    def run(collection: str, number: int, **more: Any) -> tuple[Toolbox, int]:
        model = HashModel(dimension=16)
        tools = make_tools(
            sha=commits[number],
            base_url=url,
            repository_name="acme/told",
            collection=collection,
            model=model,
            **more,
        )
        steps.run(tools)
        return tools, model.texts

    before: Contents = {}
    reused = 0
    for number in range(COMMITS):
        previous = f"new-{number - 1}" if number else None
        alone, _ = run(f"nothing-{number}", number)
        expected = contents(alone.database, f"nothing-{number}")
        new = new_texts(before, expected)
        updated, texts = run("live", number, policy="Update")
        assert texts == new
        same(contents(updated.database, "live"), expected)
        copied, texts = run(f"new-{number}", number, previous=previous)
        assert texts == new
        same(contents(copied.database, f"new-{number}"), expected)
        counts = copied.progress.result().chunks
        assert counts.written == len(expected) == counts.reused + counts.embedded
        reused += counts.reused
        before = expected
    assert reused > 0


def test_a_branch_that_moves_in_mid_run_changes_nothing(
    make_tools: MakeTools, tmp_path: Path
) -> None:
    root = tmp_path / "moving"
    (root / "acme").mkdir(parents=True)
    first, second = repository.write(root / "acme" / "shop", history()[:2])
    move = ["git", "-C", str(root / "acme" / "shop"), "update-ref", "refs/heads/main"]
    subprocess.run([*move, first], check=True)
    with serving(root) as url:

        def tools() -> Toolbox:
            """Each step has a pod of its own."""
            return make_tools(branch="main", base_url=url, run="one")

        steps.plan(tools())
        subprocess.run([*move, second], check=True)
        steps.plan(tools())  # a pod that ran twice
        steps.work(tools())
        last = tools()
        steps.finish(last)
    assert last.progress.revision == first
    found = last.database.find("target")
    assert found is not None and found.metadata["revision"] == first
    assert documents(found) == set(history()[0])


def test_a_report_tells_of_documents_that_are_gone(
    told: tuple[str, list[str]], make_tools: MakeTools
) -> None:
    url, commits = told
    states = history()
    number = next(n for n in range(1, COMMITS) if states[n - 1].keys() - states[n].keys())
    lines: list[dict[str, Any]] = []
    for sha in commits[number - 1 : number + 1]:
        tools = make_tools(sha=sha, base_url=url, repository_name="acme/told", policy="Update")
        lines.clear()
        tools.progress = Progress(lambda line: lines.append(json.loads(line)))
        steps.run(tools)
    gone = {line["document"] for line in lines if line["verdict"] == "removed"}
    assert gone == states[number - 1].keys() - states[number].keys()
    assert sorted(line["document"] for line in lines) == sorted({*states[number], *gone})


def test_a_reader_misses_no_document_that_both_commits_have(
    told: tuple[str, list[str]], make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at after each write and each delete of an update: its documents, by their chunk 0."""
    url, commits = told
    seen: list[set[str]] = []

    def looking(name: str) -> None:
        plain = getattr(Collection, name)

        def then_look(self: Collection, arguments: Any) -> Any:
            done = plain(self, arguments)
            seen.append(documents(self))
            return done

        monkeypatch.setattr(Collection, name, then_look)

    looking("upsert")
    looking("delete")
    states = history()
    for before, number in ((0, 9), (9, 19), (19, 29)):
        for commit in (before, number):
            seen.clear()
            steps.run(
                make_tools(
                    sha=commits[commit],
                    base_url=url,
                    repository_name="acme/told",
                    policy="Update",
                )
            )
        assert len(seen) > 1
        both = states[before].keys() & states[number].keys()
        assert all(both <= documents for documents in seen)
        assert seen[-1] == states[number].keys()
