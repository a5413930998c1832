"""Crashes in the middle of a run: it completes, and the collection is the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from chroma_sync.pipeline import indexing
from chroma_sync.pipeline.index import chroma as chroma_module
from chroma_sync.pipeline.index.records import document_sha
from cluster.kit import installation, servers
from cluster.kit.cluster import Object, eventually
from cluster.kit.world import Records, World, same_records, unique
from fakes import repository

pytestmark = pytest.mark.cluster

# Small chunks, so that a run has many more of them than may be in flight.
CHUNKING = {"type": "tree_sitter", "maxSizeBytes": 128}
# The TEI server of the tests takes 8 texts a request and 32 at a time: see kit/servers.py.
EMBEDDING_BOUND = 32


@pytest.fixture(scope="module")
def undisturbed(world: World) -> tuple[Records, int]:
    """The collection of a run that nothing happens to, and how many texts it has embedded."""
    namespace, collection = unique("undisturbed"), unique("undisturbed")
    world.cluster.apply(
        *installation.namespace(namespace),
        world.slow_source(namespace, chunking=CHUNKING),
    )
    world.ready(namespace)
    before = world.texts_embedded()
    world.cluster.apply(world.invocation(namespace, collection))
    world.succeeded(namespace)
    texts = world.texts_embedded() - before
    world.cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    return world.records(collection), texts


@pytest.fixture
def slow(world: World) -> Iterator[None]:
    """Let the TEI server be slow, so that a run lasts long enough to be disturbed."""
    world.tei_delay(0.5)
    yield
    world.tei_delay(0)


def begin(
    world: World, namespace: str, collection: str, written: int = 100, **changes: Any
) -> Object:
    """Start a run and wait until it has written some chunks."""
    world.cluster.apply(
        world.slow_source(namespace, chunking=CHUNKING, **changes),
        world.invocation(namespace, collection),
    )

    def look() -> Object | None:
        found = world.cluster.get("Invocation", namespace, "run") or {}
        chunks = found.get("status", {}).get("chunks", {})
        return found if chunks.get("written", 0) >= written else None

    try:
        return eventually(f"{written} chunks written", look, 120)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{world.describe(namespace)}") from None


@pytest.mark.disturbs
@pytest.mark.usefixtures("slow")
def test_the_operator_is_killed(
    world: World, namespace: str, undisturbed: tuple[Records, int]
) -> None:
    collection = unique("operator-killed")
    begun = begin(world, namespace, collection)
    installation.kill_operator(world.cluster)
    world.tei_delay(0)
    ended = world.succeeded(namespace)
    assert ended["status"]["configuration"] == begun["status"]["configuration"]
    same_records(world.records(collection), undisturbed[0])


@pytest.mark.usefixtures("slow")
def test_the_worker_is_killed(
    world: World, namespace: str, undisturbed: tuple[Records, int], capsys: Any
) -> None:
    collection = unique("worker-killed")
    before = world.texts_embedded()
    begin(world, namespace, collection)
    assert world.kill_workers(namespace) == 1
    world.tei_delay(0)
    world.succeeded(namespace)
    same_records(world.records(collection), undisturbed[0])
    again = world.texts_embedded() - before - undisturbed[1]
    writes = indexing.RECORDS_BOUND + chroma_module._WRITE_MAX
    # A chunk 0 is held back only while another chunk of its document is in flight.
    bound = 2 * (EMBEDDING_BOUND + writes)
    with capsys.disabled():
        print(f"\n  killed in mid-run: {again} texts embedded again, bound {bound}", end="")
    assert again <= bound
    assert bound < undisturbed[1], "the run is too small to show anything"


@pytest.mark.usefixtures("slow")
def test_all_of_three_workers_are_killed(
    world: World, namespace: str, undisturbed: tuple[Records, int]
) -> None:
    collection = unique("workers-killed")
    begin(world, namespace, collection, jobTemplate={"parallelism": 3})
    assert world.kill_workers(namespace) == 3
    world.tei_delay(0)
    ended = world.succeeded(namespace)
    same_records(world.records(collection), undisturbed[0])
    # Each document is counted once, by the pod that ended well, wherever it was written.
    documents = ended["status"]["documents"]
    assert documents["indexed"] + documents.get("unchanged", 0) == len(undisturbed[0].by_document())


@pytest.mark.usefixtures("slow")
def test_tei_is_overloaded_and_then_down(
    world: World, namespace: str, undisturbed: tuple[Records, int]
) -> None:
    collection = unique("tei-trouble")
    begin(world, namespace, collection)
    world.tei_fault(429, 8)
    time.sleep(8)
    world.tei_fault(503, 15)
    # The worker waits, and says for what.
    seen = world.reason("Invocation", namespace, "run", "Succeeded", "EmbeddingUnavailable")
    assert seen["status"] == "Unknown"
    assert servers.SLOW_TEI_URL in seen["message"]
    world.tei_delay(0)
    world.succeeded(namespace)
    same_records(world.records(collection), undisturbed[0])


@pytest.mark.disturbs
@pytest.mark.usefixtures("slow")
def test_chroma_is_restarted(
    world: World, namespace: str, undisturbed: tuple[Records, int]
) -> None:
    collection = unique("chroma-restarted")
    begin(world, namespace, collection)
    servers.kill_main_process(world.cluster, "chroma")
    world.tei_delay(0)
    world.succeeded(namespace)
    same_records(world.records(collection), undisturbed[0])


def gated_source(world: World, namespace: str, glob: str, **chunking: Any) -> Object:
    """A Source whose runs reach Chroma through the gate."""
    return world.source(
        namespace,
        chroma={"url": servers.GATE_URL},
        chunking={"type": "tree_sitter", **chunking},
        github={
            "repository": servers.REPOSITORY,
            "baseUrl": servers.GIT_URL,
            "includeGlobs": [glob],
        },
    )


def the_worker_is_gone(world: World) -> None:
    """The API server says so before the kubelet has done it; let go too early, the worker would
    try again and go on."""
    eventually("the worker to be gone", lambda: not world.gate("holding"), 60)


def test_killed_between_two_writes_of_one_document(world: World, namespace: str) -> None:
    """One long line in chunks of 16 bytes takes several writes. The second one never arrives."""
    collection = unique("half-document")
    world.cluster.apply(gated_source(world, namespace, "notes/one long line.txt", maxSizeBytes=16))
    world.ready(namespace)
    world.gate("hold", path="/upsert", before=1)
    try:
        world.cluster.apply(world.invocation(namespace, collection))
        eventually("the second write", lambda: world.gate("holding"), 120)
        half = world.records(collection)
        assert len(half.ids) > 0
        assert f"{document_sha('notes/one long line.txt')}-0" not in half.ids
        assert "finished_ingest" not in world.collection(collection).metadata
        assert world.kill_workers(namespace) == 1
        the_worker_is_gone(world)
    finally:
        world.gate("release")
    run = world.succeeded(namespace)
    (chunks,) = world.records(collection).by_document().values()
    data = repository.text_files()["notes/one long line.txt"].data
    assert "".join(text for _, text, _ in chunks).encode() == data
    assert [n for n, _, _ in chunks] == list(range(len(chunks)))
    assert len(chunks) > len(half.ids)
    # The line repeats itself, so chunks with the same text take over the same vectors.
    counts = run["status"]["chunks"]
    assert counts["reused"] >= len(half.ids)
    assert counts["reused"] + counts["embedded"] == counts["produced"] == len(chunks)


def test_killed_between_the_finished_mark_and_the_exit(world: World, namespace: str) -> None:
    collection = unique("marked")
    world.cluster.apply(gated_source(world, namespace, "src/**/*.py", maxSizeBytes=1000))
    world.ready(namespace)
    # The mark is the last change of the collection's metadata; the pod never hears of it.
    world.gate("hold", path="", text="finished_ingest", after=0)
    try:
        world.cluster.apply(world.invocation(namespace, collection))
        eventually("the finished mark", lambda: world.gate("holding"), 120)
        marked = world.collection(collection).metadata
        assert marked["finished_ingest"] is True
        before = world.records(collection)
        assert world.kill_workers(namespace) == 1
        the_worker_is_gone(world)
    finally:
        world.gate("release")
    run = world.succeeded(namespace)
    assert world.collection(collection).metadata == marked
    assert marked["finished_by"] == run["metadata"]["uid"]
    same_records(world.records(collection), before)
    assert run["status"]["collection"]["records"] == len(before.ids)
