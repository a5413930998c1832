"""A bucket of many objects of many types, over a change of it: only what has changed is fetched and
embedded, and what stands is what a run from nothing gives."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.configuration import Configuration, EmbeddingConfiguration
from chroma_sync.api.contract import Result
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.assembly import Surroundings, opened_tools
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from fakes.hash_model import HashModel
from fakes.proxy import Asked
from fakes.s3_server import KEYS, Answer, Front, owner
from unit.pipeline.s3.kit import SECRET, Mounted
from unit.pipeline.stored import stored_contents

OBJECTS, CHANGED, GONE = 2_000, 200, 100
BUCKET = "papers"


def document(n: int, word: str = "first") -> tuple[str, bytes]:
    """The key and the bytes of an object; its words are its own."""
    match n % 8:
        case 0 | 1:
            return f"notes/{n:04}.md", f"# Note {n}\n\nThe {word} words of note {n}.\n".encode()
        case 2:
            return f"code/{n:04}.py", f'def f{n}():\n    return "{word} {n}"\n'.encode()
        case 3:
            return f"tables/{n:04}.csv", f"name,value\n{word} {n},{n}\n".encode()
        case 4:
            page = f"<html><body><h1>Page {n}</h1><p>The {word} words.</p></body></html>"
            return f"pages/{n:04}.html", page.encode()
        case 5:
            cell = {"cell_type": "markdown", "metadata": {}, "source": [f"# {word} cell {n}"]}
            whole = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            return f"books/{n:04}.ipynb", json.dumps(whole).encode()
        case 6:
            return (
                f"plain/{n:04}",
                f"The {word} words of {n}, in a file without a suffix.\n".encode(),
            )
        case _:
            return f"binary/{n:04}.bin", b"\0\xff" + f"{word} {n}".encode()


class World:
    """Runs over the bucket into collections of one database."""

    def __init__(self, front: Front, folder: Path) -> None:
        self._folder = folder
        self.front = front
        self.fetched: dict[str, int] = {}  # bytes by key, of the last run
        self.model = HashModel(dimension=16)
        front.edit = self._count

    def _count(self, asked: Asked, answer: Answer) -> Answer:
        path, _, question = asked.path.partition("?")
        if asked.method == "GET" and "list-type" not in question:
            key = path.removeprefix(f"/{BUCKET}/")
            self.fetched[key] = self.fetched.get(key, 0) + len(answer.body)
        return answer

    def run(self, collection: str, **s3: Any) -> Result:
        """One run; `s3` are more fields of the Source. What it fetched and embedded is counted."""
        self.fetched, self.model = {}, HashModel(dimension=16)
        configuration = Configuration.model_validate(
            {
                "source": "team/bucket",
                "database": "default_database",
                "chroma": {"url": "embedded"},
                "embedding": EmbeddingConfiguration(model="hash", url="none"),
                "chunking": {"type": "tree_sitter", "maxSizeBytes": 500},
                "jobTemplate": {},
                "s3": {
                    "bucketName": BUCKET,
                    "region": "us-east-1",
                    "collectionName": collection,
                    "credentialsSecretRef": {"name": SECRET},
                    "endpointUrl": self.front.url,
                    "insecure": True,
                    **s3,
                },
                "run": {
                    "uid": str(uuid.uuid4()),
                    "name": "run",
                    "collection": collection,
                    "targetPolicy": "Update",
                    "s3": {"all": True},
                },
            }
        )
        scratch = self._folder / str(uuid.uuid4())
        scratch.mkdir()
        surroundings = Surroundings(
            lambda _: self.model, lambda _: self._database(), secrets=Mounted(KEYS)
        )
        progress = Progress()
        with opened_tools(configuration, surroundings, scratch, progress, StopSignal()) as tools:
            steps.run(tools)
        return progress.result()

    def _database(self) -> Database:
        return Database.embedded(self._folder / "chroma", "default_database")

    def records(self, collection: str) -> dict[str, Any]:
        """All records, by id: text, metadata and vector."""
        with closing(self._database()) as database:
            return stored_contents(database, collection)


def put(client: Any, *documents: tuple[str, bytes]) -> None:
    def one(document: tuple[str, bytes]) -> None:
        client.put_object(Bucket=BUCKET, Key=document[0], Body=document[1])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, documents))


@pytest.mark.timeout(600)
def test_only_what_has_changed_costs_anything(front: Front, tmp_path: Path) -> None:
    world, client = World(front, tmp_path), owner(front.upstream)
    before = dict(document(n) for n in range(OBJECTS))
    put(client, *before.items())
    first = world.run("live")
    assert world.fetched == {key: len(data) for key, data in before.items()}
    skipped = sum(key.endswith(".bin") for key in before)
    assert (first.documents.indexed, first.documents.skipped) == (OBJECTS - skipped, skipped)
    assert first.documents.failed == 0

    changed = dict(document(n, "second") for n in range(0, OBJECTS, OBJECTS // CHANGED))
    stay = [key for key in before if not key.endswith(".bin") and key not in changed]
    gone = stay[:: len(stay) // GONE][:GONE]
    put(client, *changed.items())
    for key in gone:
        client.delete_object(Bucket=BUCKET, Key=key)
    second = world.run("live")
    texts = world.model.texts
    assert len(changed) == CHANGED
    assert len(gone) == GONE
    # Nothing stands of what was skipped for its bytes: it is looked at again.
    again = {key: len(data) for key, data in before.items() if key.endswith(".bin")}
    assert world.fetched == {key: len(data) for key, data in changed.items()} | again
    assert (second.documents.indexed, second.documents.removed) == (CHANGED, GONE)
    live = world.records("live")
    world.run("nothing")
    assert live == world.records("nothing")
    assert texts == sum("second" in text for text, *_ in live.values())

    world.run("live")
    assert world.model.texts == 0


def test_other_languages_of_pictures_are_another_state(front: Front, tmp_path: Path) -> None:
    world = World(front, tmp_path)
    put(owner(front.upstream), document(0), document(3))
    assert world.run("live").documents.indexed == 2
    assert world.run("live", ocrLanguages=["eng"]).documents.unchanged == 2
    assert world.run("live", ocrLanguages=["deu", "eng"]).documents.indexed == 2
    assert world.model.texts == 0
