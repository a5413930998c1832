"""What stands of a document, and what of it is of use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from chroma_sync.pipeline.index import existing_vectors
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.existing_vectors import stands_whole
from chroma_sync.pipeline.index.records import Record, document_sha, record_id

MINE, OTHER = document_sha("mine"), document_sha("other")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("chroma")
    with closing(Database.embedded(folder, "default_database")) as opened:
        yield opened


def collection_of(database: Database, name: str, states: dict[int, str]) -> Collection:
    """A collection with records of one document, by their numbers: each with its version, its state
    and how its vector was made, a letter for each. Another document has some, too."""
    collection = database.create(name, {"is": "a test"})
    collection.upsert(
        [
            Record(
                record_id(key_sha, n),
                "text",
                {
                    "document_key_sha256": key_sha,
                    "version_key": letters[0],
                    "document_state": key_sha[:8] + letters[1],
                    "embedding_config": letters[2],
                },
                np.ones(2, np.float32),
                in_place=False,
            )
            for key_sha in (MINE, OTHER)
            for n, letters in states.items()
        ]
    )
    return collection


@pytest.mark.parametrize(
    ("states", "is_whole"),
    [
        ("va- va- va- vb-", True),
        ("va-", True),
        ("va- vb- wc- wc- wd-", True),  # an old tail
        ("... va- va- vb-", False),  # chunk 0 goes last
        ("va- ... va- vb-", False),
        ("va- va- va-", False),  # the last one is missing
        ("va- vb- vb- vb-", False),  # a state of another cut, not of the last one alone
        ("va- va- wb-", False),  # another version
        ("va- va- vb+", False),  # another model
        ("va+ va+ vb+", False),
        ("va- ... wb-", False),  # it may be one chunk and an old tail; nobody can tell
        ("... va-", False),
    ],
)
@pytest.mark.parametrize("page", [1, 3, 300])
def test_a_document_stands_whole(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    states: str,
    is_whole: bool,
    page: int,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(existing_vectors, "_PAGE", page)
    records = {n: state for n, state in enumerate(states.split()) if state != "..."}
    collection = collection_of(database, tmp_path.name, records)
    assert stands_whole(collection, MINE, "-") == is_whole
