"""What people do to objects while a run goes. One after another: see conftest.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.kit.cluster import condition, eventually
from cluster.kit.world import World, unique
from unit.conditions_invariants import check as check_conditions

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("slow")]


@pytest.fixture
def slow(world: World) -> Iterator[None]:
    """Let the TEI server be slow, so that a run lasts long enough to be disturbed."""
    world.tei_delay(2)
    yield
    world.tei_delay(0)


def running(world: World, namespace: str, name: str = "run") -> dict[str, Any]:
    """Wait until a run has written something and is still going."""

    def look() -> dict[str, Any] | None:
        found = world.cluster.get("Invocation", namespace, name) or {}
        counts = found.get("status", {}).get("chunks", {})
        return found if counts.get("written", 0) > 0 else None

    found = eventually(f"chunks written by {name}", look, 90)
    assert condition(found, "Succeeded")["status"] == "Unknown", world.describe(namespace)
    return found


def test_a_source_is_edited_in_mid_run(world: World, namespace: str) -> None:
    collection = unique("edited")
    world.cluster.apply(world.slow_source(namespace), world.invocation(namespace, collection))
    begun = running(world, namespace)
    edited = {"chunking": {"type": "lines", "maxSizeBytes": 100, "maxLines": 2}}
    world.cluster.patch("Source", namespace, "shop", {"spec": edited})
    world.tei_delay(0)
    ended = world.succeeded(namespace)
    assert ended["status"]["configuration"] == begun["status"]["configuration"]
    strategies = {m["chunk_strategy"] for m in world.records(collection).metadata}
    assert "tree_sitter" in strategies
    # The next run has the new configuration.
    after = unique("after")
    world.cluster.apply(world.invocation(namespace, after, name="after"))
    world.succeeded(namespace, "after")
    assert {m["chunk_strategy"] for m in world.records(after).metadata} == {"lines"}


@pytest.mark.disturbs
def test_cancel(world: World, namespace: str) -> None:
    collection = unique("cancelled")
    world.cluster.apply(world.slow_source(namespace), world.invocation(namespace, collection))
    running(world, namespace)
    world.cluster.patch("Invocation", namespace, "run", {"spec": {"cancel": True}})
    ended = world.ended(namespace, seconds=5)
    check_conditions(ended)
    assert condition(ended, "Succeeded")["status"] == "False"
    assert condition(ended, "Succeeded")["reason"] == "Cancelled"
    assert world.run_pods(namespace) == []
    assert "finished_ingest" not in world.collection(collection).metadata


@pytest.mark.disturbs
def test_counts_move_and_stay_fresh(world: World, namespace: str) -> None:
    world.cluster.apply(world.slow_source(namespace), world.invocation(namespace, unique("fresh")))
    running(world, namespace)
    written, ages = set(), []
    for _ in range(30):
        status = (world.cluster.get("Invocation", namespace, "run") or {})["status"]
        if "completionTime" in status:
            break
        written.add(status["chunks"]["written"])
        at = datetime.fromisoformat(status["updatedAt"])
        ages.append((datetime.now(UTC) - at).total_seconds())
        time.sleep(0.5)
    world.tei_delay(0)
    assert len(ages) >= 10, "the run ended too soon to see anything"
    assert len(written) >= 3, written
    # Workers are asked every five seconds, and time stamps have whole ones.
    assert max(ages) <= 7, ages
    world.succeeded(namespace)


def test_deleted_and_applied_again_at_once(world: World, namespace: str) -> None:
    collection = unique("again")
    world.cluster.apply(world.slow_source(namespace), world.invocation(namespace, collection))
    first = running(world, namespace)
    world.cluster.delete("Invocation", namespace, "run")
    world.cluster.apply(world.invocation(namespace, collection))
    world.tei_delay(0)
    second = world.succeeded(namespace)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    metadata = world.collection(collection).metadata
    assert metadata["finished_by"] == second["metadata"]["uid"]
    # The second one went on with what the first one had written.
    assert second["status"]["chunks"]["reused"] + second["status"]["documents"]["unchanged"] > 0


def test_a_source_is_deleted_in_mid_run(world: World, namespace: str) -> None:
    collection = unique("orphan")
    world.cluster.apply(world.slow_source(namespace), world.invocation(namespace, collection))
    running(world, namespace)
    world.cluster.kubectl("-n", namespace, "delete", "source", "shop", "--timeout=20s")
    world.tei_delay(0)
    world.succeeded(namespace)
    assert world.collection(collection).metadata["finished_ingest"] is True
    eventually("no Jobs left", lambda: not world.cluster.list("Job", namespace), 30)


def test_a_job_is_deleted_in_mid_run(world: World, namespace: str) -> None:
    """Its ConfigMap stays, and the pods of the next Job mount it."""
    collection = unique("made-again")
    world.cluster.apply(world.slow_source(namespace), world.invocation(namespace, collection))
    running(world, namespace)
    (job,) = world.cluster.list("Job", namespace, "chromasync.dev/step=run")
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    world.cluster.kubectl("-n", namespace, "delete", "job", name, "--wait=false")

    def made_again() -> bool:
        jobs = world.cluster.list("Job", namespace, "chromasync.dev/step=run")
        return any(job["metadata"]["uid"] != uid for job in jobs)

    eventually("the Job is made again", made_again, 90)
    world.tei_delay(0)
    world.succeeded(namespace)
    assert world.collection(collection).metadata["finished_ingest"] is True
    world.config_maps_gone(namespace)
