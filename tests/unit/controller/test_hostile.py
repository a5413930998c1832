"""Jobs and pods that say what is not true: each costs itself and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.api.meta import Object
from chroma_sync.cluster.interface import Kind
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.controller.passes import Passes
from chroma_sync.controller.polling import Polling
from chroma_sync.controller.workqueue import RetryError
from unit.controller.memory_cluster import MemoryCluster, ended
from unit.controller.passing import FIRST, SOURCE, admit, begin, passes_over

OURS = "chromasync.dev/v1alpha1"
INVENTED = Result(collection=CollectionStatus(name="docs", id="1", records=999))


@pytest.fixture
def passes(cluster: MemoryCluster) -> Passes:
    return passes_over(cluster)


def job(*owners: Object, name: str = "job", **labels: str) -> Object:
    """A Job that someone made, with a pod at work."""
    metadata = {
        "name": name,
        "namespace": "team",
        "uid": f"uid-{name}",
        "resourceVersion": "50",
        "creationTimestamp": "2026-11-24T12:00:00Z",
        "labels": {
            "chromasync.dev/source": "docs",
            "chromasync.dev/step": "run",
            "chromasync.dev/invocation-uid": "uid-gone",
            **labels,
        },
        "ownerReferences": list(owners),
    }
    return {"metadata": metadata, "status": {"active": 1}}


def owner(**fields: Any) -> Object:
    """A reference to the first run, but for some fields."""
    true = {"apiVersion": OURS, "kind": "Invocation", "name": "first", "uid": "uid-first"}
    return {**true, "controller": True, **fields}


NOT_OURS: dict[str, Object] = {
    "another place": owner(name="../../team-b/invocations/victim"),
    "no name": owner(name=""),
    "dots": owner(name=".."),
    "no uid": owner(uid=""),
    "another group": owner(apiVersion="example.org/v1alpha1"),
    "a group that only begins so": owner(apiVersion="chromasync.dev.example.org/v1"),
    "another kind": owner(kind="Job"),
    "no controller": owner(controller=False),
}


@pytest.mark.parametrize("reference", NOT_OURS.values(), ids=NOT_OURS)
def test_a_job_that_nothing_of_ours_controls_wakes_nobody(
    cluster: MemoryCluster, reference: Object
) -> None:
    made = job(reference)
    assert keys.job_changed(cluster.cache, made, deleted=False) == []
    assert keys.pod_changed(cluster.cache, cluster.pod(made), deleted=False) == []
    assert keys.job_changed(cluster.cache, made, deleted=True) == []


@pytest.mark.parametrize("reference", NOT_OURS.values(), ids=NOT_OURS)
def test_a_leaked_job_holds_nobody_up(
    cluster: MemoryCluster, passes: Passes, reference: Object
) -> None:
    """As `kubectl delete --cascade=orphan` leaves it, or as someone made it up."""
    made = job(reference)
    keys.job_changed(cluster.cache, made, deleted=False)
    pod = cluster.pod(made)
    cluster.show(pod)
    cluster.pods_there = [pod]
    asyncio.run(admit(passes))
    assert cluster.objects["Source", "docs"]["status"]["activeInvocation"]["name"] == "first"


PODS_OF_OTHERS: dict[str, list[Object]] = {
    "nobody": [],
    "a ReplicaSet": [owner(apiVersion="apps/v1", kind="ReplicaSet", name="web", uid="w")],
    "a Job in another place": [
        owner(apiVersion="batch/v1", kind="Job", name="../../team-b/jobs/x", uid="x")
    ],
    "a Job without our labels": [owner(apiVersion="batch/v1", kind="Job", name="own", uid="own")],
}


@pytest.mark.parametrize("owners", PODS_OF_OTHERS.values(), ids=PODS_OF_OTHERS)
def test_a_foreign_pod_with_our_labels_holds_nobody_up(
    cluster: MemoryCluster, passes: Passes, owners: list[Object]
) -> None:
    cluster.jobs["own"] = {"metadata": {"name": "own", "namespace": "team", "uid": "own"}}
    pod = cluster.pod(job())
    pod["metadata"]["ownerReferences"] = owners
    cluster.show(pod)
    cluster.pods_there = [pod]
    asyncio.run(admit(passes))
    assert cluster.objects["Source", "docs"]["status"]["activeInvocation"]["name"] == "first"


@pytest.mark.parametrize("owners", PODS_OF_OTHERS.values(), ids=PODS_OF_OTHERS)
def test_a_foreign_pod_has_no_say_in_a_run(
    cluster: MemoryCluster, passes: Passes, owners: list[Object]
) -> None:
    async def scenario() -> None:
        made = await begin(cluster, passes)
        cluster.jobs["own"] = {"metadata": {"name": "own", "namespace": "team", "uid": "own"}}
        cluster.show(cluster.pod(made))
        forged = cluster.pod(made, **ended(INVENTED))
        forged["metadata"] |= {"name": "forged", "uid": "forged", "ownerReferences": owners}
        cluster.show(forged)
        cluster.pods_there = [cluster.pod(made), forged]
        await passes.reconcile(FIRST)
        status = cluster.objects["Invocation", "first"]["status"]
        assert status["conditions"][0]["reason"] == "Processing"
        assert "collection" not in status

    asyncio.run(scenario())


def test_a_job_with_the_uid_of_a_run_elsewhere_has_no_say_in_it(
    cluster: MemoryCluster, passes: Passes
) -> None:
    """Uids are no secret: in a shared Chroma a collection's metadata tells them."""

    async def scenario() -> None:
        made = await begin(cluster, passes)
        name = made["metadata"]["name"]
        forged = job(owner(), name=name)
        forged["metadata"]["namespace"] = "team-a"
        forged["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        woken = keys.job_changed(cluster.cache, forged, deleted=False)
        assert woken == [Key("Invocation", "team-a", "first")]
        await passes.reconcile(FIRST)
        status = cluster.objects["Invocation", "first"]["status"]
        assert status["conditions"][0]["reason"] == "Processing"
        assert name in cluster.jobs

    asyncio.run(scenario())


@pytest.mark.parametrize("key", [SOURCE, FIRST])
def test_a_pass_acts_on_nothing_but_what_its_key_names(
    cluster: MemoryCluster, passes: Passes, key: Key
) -> None:
    before = dict(cluster.objects)

    async def elsewhere(kind: Kind, namespace: str, name: str) -> Object | None:
        found = before[kind, name]
        return {**found, "metadata": {**found["metadata"], "namespace": "team-b"}}

    cluster.read = elsewhere  # type: ignore[method-assign]
    with pytest.raises(RetryError, match="asked for"):
        asyncio.run(passes.reconcile(key))
    assert cluster.objects == before
    assert cluster.jobs == {} and cluster.events == []


@pytest.mark.parametrize("index", ["foo", "-1", "1e3", "", "²", "9" * 400])
def test_a_label_that_is_no_index_costs_its_pod(
    cluster: MemoryCluster, passes: Passes, index: str
) -> None:
    async def scenario() -> None:
        made = await begin(cluster, passes)
        labels = {**made["metadata"]["labels"], "batch.kubernetes.io/job-completion-index": index}
        odd = cluster.pod(made, **ended(INVENTED))
        odd["metadata"] |= {"name": "odd", "uid": "odd", "labels": labels}
        assert cluster.show(odd) == [FIRST]
        cluster.pods_there = [odd]
        await passes.reconcile(FIRST)
        status = cluster.objects["Invocation", "first"]["status"]
        assert status["conditions"][0]["status"] == "Unknown"

    asyncio.run(scenario())


def test_only_the_pods_of_runs_are_asked_how_far_they_are() -> None:
    cluster = MemoryCluster(Cache())
    asked: list[str] = []

    async def read(address: str) -> None:
        asked.append(address)

    leaked, own = job(name="leaked"), job(owner(), name="own")
    for made, address in ((leaked, "10.0.0.1"), (own, "10.0.0.2")):
        keys.job_changed(cluster.cache, made, deleted=False)
        cluster.show(cluster.pod(made, podIP=address))
    alone = cluster.pod(job(), podIP="10.0.0.3")
    alone["metadata"] |= {"name": "alone", "uid": "alone", "ownerReferences": []}
    cluster.show(alone)

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await Polling(read, cluster.cache, period=0.01).run()

    asyncio.run(scenario())
    assert set(asked) == {"10.0.0.2"}
