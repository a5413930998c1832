"""A history of 30 commits, indexed commit by commit: in place, and into a new collection each time.

After each commit both hold, record for record, what a run from nothing gives, and exactly the
chunks that are new were embedded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.steps import Toolbox
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel
from fakes.repository import GeneratedFile

MakeTools = Callable[..., Toolbox]
Files = dict[str, GeneratedFile]
COMMITS = 30
EDITS_EACH = 3
PROBES = 1  # each run embeds one text to learn the model's dimension


def edited(files: Files, states: list[Files], chance: random.Random) -> Files:
    """The next state: some edits, renames, deletes, new files, changes of mode, and reverts."""
    new = dict(files)
    for _ in range(EDITS_EACH):
        path = chance.choice(sorted(new))
        file = new[path]
        kind = chance.choice(("edit", "append", "shorten", "rename", "delete", "mode", "revert"))
        lines = file.data.splitlines(keepends=True)
        if kind == "edit":
            lines[chance.randrange(len(lines))] = b"edited %d\n" % chance.randrange(1000)
            new[path] = GeneratedFile(b"".join(lines), file.mode)
        elif kind == "append":
            new[path] = GeneratedFile(file.data + b"\n# more %d\n" % chance.randrange(9), file.mode)
        elif kind == "shorten":
            new[path] = GeneratedFile(b"".join(lines[: len(lines) // 2 + 1]), file.mode)
        elif kind == "rename":
            new[f"moved/{chance.randrange(1000)}-{path.rpartition('/')[2]}"] = new.pop(path)
        elif kind == "delete" and len(new) > 8:
            del new[path]
        elif kind == "mode":
            new[path] = GeneratedFile(file.data, "100755")
        elif kind == "revert":
            old = chance.choice(states)
            new |= {p: f for p, f in old.items() if p == path or p not in new}
    return new


def history() -> list[Files]:
    """The fixed states of the repository, one a commit."""
    chance = random.Random(30)
    everything = repository.text_files()
    states = [{path: everything[path] for path in sorted(everything)[::25]}]
    while len(states) < COMMITS:
        states.append(edited(states[-1], states, chance))
    return states


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


def same(left: Contents, right: Contents) -> None:
    assert left.keys() == right.keys()
    for id_, (text, metadata, vector) in left.items():
        assert (text, metadata) == right[id_][:2]
        assert np.allclose(vector, right[id_][2], atol=1e-5)


def new_chunks(before: Contents, after: Contents) -> int:
    """How many chunks have a text that did not stand under their document before."""

    def texts(found: Contents) -> list[tuple[str, str]]:
        return [(m["document_key"], text) for text, m, _ in found.values()]

    stood = set(texts(before))
    return sum(chunk not in stood for chunk in texts(after))


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
        return tools, model.texts - PROBES

    before: Contents = {}
    reused = 0
    for number in range(COMMITS):
        previous = f"new-{number - 1}" if number else None
        alone, _ = run(f"nothing-{number}", number)
        expected = contents(alone.database, f"nothing-{number}")
        new = new_chunks(before, expected)
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
