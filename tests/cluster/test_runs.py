"""Whole runs: what goes in comes out, however the run is done."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

from cluster.kit import installation, servers
from cluster.kit.cluster import condition
from cluster.kit.expected import expected_vectors
from cluster.kit.world import World, cosines, read_records, same_records, unique
from fakes import repository

# All share one reference run.
pytestmark = pytest.mark.cluster

TEXTS = repository.text_files()


@pytest.fixture(scope="session")
def reference(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """One undisturbed run, which the others are compared with: its collection and Invocation."""
    namespace, collection = unique("reference"), unique("reference")
    world.cluster.apply(
        *installation.namespace(namespace),
        world.source(namespace),
        world.invocation(namespace, collection),
    )
    world.ready(namespace)
    world.cluster.kubectl(
        *("-n", namespace, "wait", "--for=condition=Succeeded", "invocation/run"),
        "--timeout=300s",
    )
    yield collection, world.succeeded(namespace)
    world.cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_every_file_comes_out(world: World, reference: tuple[str, dict[str, Any]]) -> None:
    records = world.records(reference[0])
    documents = records.by_document()
    assert sorted(documents) == sorted(TEXTS)
    for key, chunks in documents.items():
        assert [n for n, _, _ in chunks] == list(range(len(chunks)))
        assert "".join(text for _, text, _ in chunks).encode() == TEXTS[key].data


def test_ids_and_metadata(world: World, reference: tuple[str, dict[str, Any]]) -> None:
    documents = world.records(reference[0])
    for id_, text, metadata in zip(documents.ids, documents.texts, documents.metadata, strict=True):
        key = str(metadata["document_key"])
        sha = hashlib.sha256(key.encode()).hexdigest()
        data = TEXTS[key].data
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's hash
        assert id_.rpartition("-")[0] == sha == metadata["document_key_sha256"]
        assert metadata["version_key"] == blob
        assert metadata["version_key_sha256"] == hashlib.sha256(blob.encode()).hexdigest()
        assert metadata["content_sha256"] == hashlib.sha256(text.encode()).hexdigest()
        assert metadata["chunk_strategy"] in ("tree_sitter", "lines")
        lines = data.split(b"\n")
        start = sum(len(line) + 1 for line in lines[: metadata["start_line"] - 1])
        start += metadata["start_col"]
        end = sum(len(line) + 1 for line in lines[: metadata["end_line"] - 1])
        end += metadata["end_col"]
        assert data[start:end].decode() == text
        assert len(text.encode()) <= 1500
    languages = {metadata.get("language") for metadata in documents.metadata}
    wanted = {"python", "go", "rust", "typescript", "java", "c", "ruby", "bash", "markdown", "yaml"}
    assert wanted <= languages


def test_every_vector_is_the_models(world: World, reference: tuple[str, dict[str, Any]]) -> None:
    records = world.records(reference[0])
    with world.tei() as tei:
        vectors, windows = expected_vectors(tei, records.texts)
    assert cosines(records.vectors, vectors).min() >= 0.9999
    assert np.allclose(np.linalg.norm(records.vectors, axis=1), 1, atol=1e-4)
    assert [m.get("embedding_windows", 1) for m in records.metadata] == windows
    assert max(windows) > 1


def test_the_finished_mark_and_the_counts(
    world: World, reference: tuple[str, dict[str, Any]]
) -> None:
    name, run = reference
    collection, status = world.collection(name), run["status"]
    metadata = collection.metadata
    assert metadata["finished_ingest"] is True
    assert metadata["finished_by"] == run["metadata"]["uid"]
    assert metadata["revision"] == status["revision"]
    records, texts = collection.count(), len(set(world.records(name).texts))
    traps = repository.trap_files()
    assert status["documents"] == {
        "discovered": len(TEXTS) + len(traps),
        "indexed": len(TEXTS),
        "unchanged": 0,
        "removed": 0,
        "skipped": len(traps),
        "failed": 0,
        "kept": 0,
    }
    assert status["skipped"] == {"Binary": 1, "NotUtf8": 1, "Empty": 1, "TooLarge": 1, "Symlink": 1}
    assert status["chunks"] == {
        "produced": records,
        "embedded": texts,  # each once
        "reused": records - texts,
        "written": records,
    }
    assert status["bytes"] == sum(len(file.data) for file in TEXTS.values())
    assert status["collection"] == {"name": name, "id": str(collection.id), "records": records}
    assert condition(run, "Succeeded")["reason"] == "Complete"


def test_three_pods_make_the_same_collection(
    world: World, namespace: str, reference: tuple[str, dict[str, Any]]
) -> None:
    collection = unique("parallel")
    world.cluster.apply(
        world.source(namespace, jobTemplate={"parallelism": 3}),
        world.invocation(namespace, collection),
    )
    run = world.succeeded(namespace)
    same_records(world.records(collection), world.records(reference[0]))
    assert run["status"]["documents"] == reference[1]["status"]["documents"]
    assert run["status"]["chunks"] == reference[1]["status"]["chunks"]


def test_a_laptop_makes_the_same_collection(
    world: World, tmp_path: Path, reference: tuple[str, dict[str, Any]]
) -> None:
    git = world.cluster.service(servers.NAMESPACE, "git", 8418)
    objects = [
        world.source("default", github={"repository": servers.REPOSITORY, "baseUrl": git}),
        world.invocation("default", "laptop-collection"),
    ]
    file = tmp_path / "objects.yaml"
    file.write_text("\n---\n".join(json.dumps(item) for item in objects))
    command = [sys.executable, "-m", "chroma_sync.cli.main", "run", "-f", str(file)]
    done = subprocess.run(
        [*command, "--path", str(tmp_path / "chroma")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    client = chromadb.PersistentClient(
        str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    made = client.get_collection("laptop-collection", embedding_function=None)
    same_records(read_records(made), world.records(reference[0]))
    client.close()


def test_a_finished_collection_is_refused(
    world: World, namespace: str, reference: tuple[str, dict[str, Any]]
) -> None:
    collection = unique("twice")
    world.cluster.apply(
        world.source(namespace, github=_python_only()), world.invocation(namespace, collection)
    )
    world.succeeded(namespace)
    before, metadata = world.records(collection), world.collection(collection).metadata
    world.cluster.apply(world.invocation(namespace, collection, name="again"))
    refused = world.ended(namespace, "again")
    assert condition(refused, "Succeeded")["status"] == "False"
    assert condition(refused, "Succeeded")["reason"] == "CollectionAlreadyIngested"
    assert condition(refused, "Stalled")["status"] == "True"
    assert collection in condition(refused, "Succeeded")["message"]
    same_records(world.records(collection), before)
    assert world.collection(collection).metadata == metadata


def test_the_collection_of_another_is_refused(
    world: World, namespace: str, reference: tuple[str, dict[str, Any]]
) -> None:
    by_hand = unique("by-hand")
    world.chroma().create_collection(by_hand, metadata={"a": "b"}).add(
        ids=["one"], documents=["text"], embeddings=[[1.0, 2.0]]
    )
    before, metadata = world.records(reference[0]), world.collection(reference[0]).metadata
    world.cluster.apply(
        world.source(namespace),
        world.invocation(namespace, reference[0], name="anothers"),
        world.invocation(namespace, by_hand, name="by-hand"),
    )
    for name in ("anothers", "by-hand"):
        refused = condition(world.ended(namespace, name), "Succeeded")
        assert (refused["status"], refused["reason"]) == ("False", "CollectionOwnedByAnother")
    same_records(world.records(reference[0]), before)
    assert world.collection(reference[0]).metadata == metadata
    assert world.collection(by_hand).metadata == {"a": "b"}
    assert world.collection(by_hand).get()["ids"] == ["one"]


def test_what_is_not_implemented_says_so(world: World, namespace: str) -> None:
    world.cluster.apply(world.source(namespace, schedule=SCHEDULE))
    stalled = world.reason("Source", namespace, "shop", "Stalled", "NotImplemented")
    assert stalled["status"] == "True"
    assert "spec.schedule" in stalled["message"]


def test_what_stands_is_taken_over(world: World, namespace: str) -> None:
    first, second = unique("first"), unique("second")
    world.cluster.apply(
        world.source(namespace, github=_python_only()),
        world.invocation(namespace, first, name="first"),
    )
    made = world.succeeded(namespace, "first")["status"]
    before = world.records(first)
    assert made["chunks"]["embedded"] == len(set(before.texts)) > 0
    # Into a new collection all vectors are copied; into the same one nothing is even written.
    world.cluster.apply(world.invocation(namespace, second, name="second"))
    copied = world.succeeded(namespace, "second")["status"]["chunks"]
    assert copied["reused"] == copied["written"] == made["chunks"]["written"]
    assert copied.get("embedded", 0) == 0
    same_records(world.records(second), before)
    world.cluster.apply(
        world.invocation(namespace, first, name="again", targetPolicy="Update"),
    )
    again = world.succeeded(namespace, "again")["status"]
    assert again["documents"]["unchanged"] == made["documents"]["indexed"]
    assert again["chunks"].get("written", 0) == again["chunks"].get("embedded", 0) == 0
    same_records(world.records(first), before)
    assert "updating_to" not in world.collection(first).metadata


SCHEDULE = {"cron": "0 3 * * *", "targetCollectionNameTemplate": "shop-{date}"}


def _python_only() -> dict[str, Any]:
    return {
        "repository": servers.REPOSITORY,
        "baseUrl": servers.GIT_URL,
        "includeGlobs": ["src/**/*.py"],
    }
