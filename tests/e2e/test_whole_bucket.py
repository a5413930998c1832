"""A bucket of 2,000 mixed objects, changed and run again: what is read and embedded is what is new,
and no more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from fakes.s3_server import Front, fronted, owner, s3_server
from unit.pipeline.s3.kit import bucket
from unit.pipeline.shelf import DIMENSION, Shelves

COUNT, CHANGED, GONE = 2_000, 200, 100


def text(n: int, word: str = "first") -> tuple[str, bytes]:
    """An object by its number: its key and its bytes, in one of several formats."""
    line = f"This is the {word} text of object {n}."
    match n % 5:
        case 0:
            return f"{n:04}.md", f"# Object {n}\n\n{line}\n".encode()
        case 1:
            return f"{n:04}.txt", f"{line}\n".encode()
        case 2:
            return f"code/{n:04}.py", f'TEXT = "{line}"\n'.encode()
        case 3:
            cell = {"cell_type": "markdown", "metadata": {}, "source": [line]}
            notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            return f"notes/{n:04}.ipynb", json.dumps(notebook).encode()
        case _:
            return f"{n:04}.log", f"\ufeff{line}\n".encode()


class Watched:
    """Runs over a bucket behind a front."""

    def __init__(self, front: Front, folder: Path) -> None:
        self.front = front
        self.client = owner(front.upstream)
        self.shelves = Shelves(folder)
        self._folder = folder
        self.model = HashModel(DIMENSION)

    def all(self, action: Any, items: Iterable[Any]) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(action, items))

    def put(self, objects: Iterable[tuple[str, bytes]]) -> None:
        self.all(lambda o: self.client.put_object(Bucket="papers", Key=o[0], Body=o[1]), objects)

    def delete(self, keys: Iterable[str]) -> None:
        self.all(lambda key: self.client.delete_object(Bucket="papers", Key=key), keys)

    def run(self, collection: str = "shared") -> Toolbox:
        self.front.asked.clear()
        self.model = HashModel(DIMENSION)
        tools = self.shelves.tools({}, collection=collection, model=self.model)
        tools.connector = bucket(self.front.url, self._folder)
        steps.run(tools)
        return tools

    def read(self) -> list[str]:
        """The keys of the objects that the last run has read, once for each time."""
        gets = [call for call in self.front.calls() if call.startswith("GET /papers/")]
        return sorted(call.removeprefix("GET /papers/") for call in gets)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with s3_server() as url, fronted(url) as front:
        made = Watched(front, tmp_path)
        made.client.create_bucket(Bucket="papers")
        yield made
        made.shelves.database.close()
        made.delete(key for key, _ in map(text, range(COUNT)))
        made.client.delete_bucket(Bucket="papers")


def counts(tools: Toolbox) -> dict[str, int]:
    found = tools.progress.result().documents.model_dump()
    return {name: count for name, count in found.items() if count}


@pytest.mark.timeout(900)
def test_what_is_read_and_embedded_is_what_is_new(watched: Watched) -> None:
    objects = [text(n) for n in range(COUNT)]
    watched.put(objects)
    assert counts(watched.run()) == {"discovered": COUNT, "indexed": COUNT}
    assert watched.read() == sorted(key for key, _ in objects)
    # Some are changed, some go, and all others are as they were.
    changed = [text(n, "second") for n in range(0, COUNT, COUNT // CHANGED)]
    gone = [text(n)[0] for n in range(1, COUNT, COUNT // GONE)]
    watched.put(changed)
    watched.delete(gone)
    assert counts(watched.run()) == {
        "discovered": COUNT - GONE,
        "indexed": CHANGED,
        "unchanged": COUNT - GONE - CHANGED,
        "removed": GONE,
    }
    assert watched.read() == sorted(key for key, _ in changed)
    assert watched.model.texts == CHANGED
    # It is what a run from nothing gives.
    in_place = watched.shelves.records()
    watched.run("fresh")
    assert watched.shelves.records(collection="fresh") == in_place
    # Nothing is new any more.
    assert counts(watched.run()) == {"discovered": COUNT - GONE, "unchanged": COUNT - GONE}
    assert watched.read() == []
    assert watched.model.texts == 0
