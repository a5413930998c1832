"""Passes against a cluster in memory: what one decides, and what it asks of the API server."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.cluster.interface import Kind, Object
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.keys import Key
from chroma_sync.controller.merge import merge_patch
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.passes import Passes
from chroma_sync.controller.workqueue import RetryError
from unit.controller.memory_cluster import MemoryCluster, ended, merged
from unit.reconcile.build import INSTALLATION, as_json, invocation, later, ready_source, source

SOURCE = Key("Source", "team", "docs")


def run_key(name: str) -> Key:
    return Key("Invocation", "team", name)


@pytest.fixture
def cluster() -> MemoryCluster:
    """A ready Source with two Invocations, the first of them admitted."""
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="uid-first")))
    second = invocation(name="second", uid="uid-second", created=later(1))
    cluster.put(as_json(second))
    return cluster


class Clock:
    """The time of passes."""

    def __init__(self) -> None:
        self.now = later(10)

    def __call__(self) -> datetime:
        return self.now


def passes_over(
    cluster: MemoryCluster,
    told: dict[str, Result] | None = None,
    clock: Clock | None = None,
) -> Passes:
    return Passes(
        cluster,
        cluster.cache,
        INSTALLATION,
        Metrics(),
        told if told is not None else {},
        now=clock or Clock(),
    )


def active(cluster: MemoryCluster) -> str:
    status: dict[str, Any] = cluster.objects["Source", "docs"]["status"]
    return str((status.get("activeInvocation") or {}).get("name", ""))


def test_the_patch_that_passes_write_is_a_merge_patch() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    new = {"b": {"c": 1, "d": 3}, "e": [1, 2], "f": 0}
    assert merged(old, merge_patch(old, new)) == new


def test_a_run_that_is_deleted_while_it_begins_gets_no_job(cluster: MemoryCluster) -> None:
    """Its successor may have been admitted by then: never two Jobs."""
    passes = passes_over(cluster)

    def delete_it(request: str, name: str) -> None:
        if (request, name) == ("patch_status", "first"):
            cluster.remove("Invocation", "first")

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        assert active(cluster) == "first"
        cluster.after = delete_it
        await passes.reconcile(run_key("first"))
        assert cluster.jobs == {}
        await passes.reconcile(SOURCE)
        assert active(cluster) == "second"
        await passes.reconcile(run_key("second"))
        assert len(cluster.jobs) == 1

    asyncio.run(scenario())


def test_nobody_is_admitted_while_a_job_is_being_made(cluster: MemoryCluster) -> None:
    """The run is deleted while the request for its Job is under way: the Source waits for the
    answer, and then for the end of that Job."""
    passes = passes_over(cluster)

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        cluster.job_gate.clear()
        begins = asyncio.create_task(passes.reconcile(run_key("first")))
        await asyncio.sleep(0.05)
        cluster.remove("Invocation", "first")
        admits = asyncio.create_task(passes.reconcile(SOURCE))
        await asyncio.sleep(0.05)
        assert not admits.done()
        cluster.job_gate.set()
        await asyncio.gather(begins, admits)
        assert len(cluster.jobs) == 1
        assert active(cluster) == ""

    asyncio.run(scenario())


def test_events_are_told_even_when_an_action_fails(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def refused(job: Object) -> Object:
        raise ClusterError(500, "no")

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        cluster.events.clear()
        cluster.create_job = refused  # type: ignore[method-assign]
        with pytest.raises(RetryError):
            await passes.reconcile(run_key("first"))
        assert cluster.events == ["Processing"]

    asyncio.run(scenario())


def test_what_belongs_to_a_deleted_run_is_forgotten(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        await begin(cluster, passes)
        assert len(passes._remembered) == 1
        cluster.remove("Invocation", "first")
        await passes.reconcile(run_key("first"))
        assert len(passes._remembered) == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "refused"), [(InvalidError(422, "no"), True), (ClusterError(500, "no"), False)]
)
def test_a_refusal_is_a_retry_that_is_told_at_once(
    cluster: MemoryCluster, error: ClusterError, refused: bool
) -> None:
    async def fails(kind: Kind, namespace: str, name: str) -> Object | None:
        raise error

    cluster.read = fails  # type: ignore[method-assign]
    with pytest.raises(RetryError) as raised:
        asyncio.run(passes_over(cluster).reconcile(SOURCE))
    assert raised.value.refused is refused


DONE = Result(collection=CollectionStatus(name="docs", id="1", records=7))


def status(cluster: MemoryCluster, name: str = "first") -> Any:
    return cluster.objects["Invocation", name]["status"]


def summary(obj: Object) -> tuple[str, str, str]:
    first = obj["status"]["conditions"][0]
    return first["status"], first["reason"], first["message"]


async def begin(cluster: MemoryCluster, passes: Passes) -> Object:
    """Bring the first run so far that it has a Job, which has no pod yet. Returns the Job."""
    await passes.reconcile(SOURCE)
    await passes.reconcile(run_key("first"))
    await passes.reconcile(run_key("first"))
    cluster.requests.clear()
    return cluster.made(Step.RUN)


def test_a_run_that_goes_costs_one_write_in_five_seconds(cluster: MemoryCluster) -> None:
    """600 of them may go at once. Its numbers change all the time."""
    told: dict[str, Result] = {}
    clock = Clock()
    passes = passes_over(cluster, told, clock)

    async def scenario() -> None:
        pod = cluster.pod(await begin(cluster, passes))
        cluster.show(pod)
        written = []
        for second in range(60):
            clock.now = later(100 + second)
            told[pod["metadata"]["uid"]] = Result(bytes=second)
            await passes.reconcile(run_key("first"))
            written.append(status(cluster)["bytes"])
        assert written == [5 * (second // 5) for second in range(60)]
        assert cluster.requests == {("patch_status", "Invocation"): 12}
        # What it does next is to come back when the last numbers may be written.
        clock.now = later(161)
        told[pod["metadata"]["uid"]] = Result(bytes=99)
        assert await passes.reconcile(run_key("first")) is not None
        clock.now = later(162)
        told[pod["metadata"]["uid"]] = Result(bytes=100)
        assert await passes.reconcile(run_key("first")) == 4

    asyncio.run(scenario())


def test_numbers_that_stay_write_nothing(cluster: MemoryCluster) -> None:
    told: dict[str, Result] = {}
    clock = Clock()
    passes = passes_over(cluster, told, clock)

    async def scenario() -> None:
        pod = cluster.pod(await begin(cluster, passes))
        cluster.show(pod)
        told[pod["metadata"]["uid"]] = Result(bytes=7)
        for second in range(60):
            clock.now = later(100 + second)
            await passes.reconcile(run_key("first"))
        assert cluster.requests == {("patch_status", "Invocation"): 1}

    asyncio.run(scenario())


def test_a_change_of_state_is_written_at_once(cluster: MemoryCluster) -> None:
    told: dict[str, Result] = {}
    passes = passes_over(cluster, told)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.show(cluster.pod(job))
        told[cluster.pod(job)["metadata"]["uid"]] = Result(bytes=1)
        await passes.reconcile(run_key("first"))
        why = {"reason": "ErrImagePull", "message": "no such image"}
        waits = {"containerStatuses": [{"name": "worker", "state": {"waiting": why}}]}
        assert cluster.show(cluster.pod(job, phase="Pending", **waits)) == [run_key("first")]
        await passes.reconcile(run_key("first"))
        assert summary(cluster.objects["Invocation", "first"])[1] == "ImagePullFailed"

    asyncio.run(scenario())


def test_a_job_that_ended_before_its_pod_was_seen_to_gives_its_result(
    cluster: MemoryCluster,
) -> None:
    """Two watches have no order between them."""
    passes = passes_over(cluster)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.show(cluster.pod(job))
        cluster.pods_there = [cluster.pod(job, **ended(DONE))]
        cluster.end_job(job["metadata"]["name"], "Complete")
        await passes.reconcile(run_key("first"))
        assert summary(cluster.objects["Invocation", "first"])[0] == "True"
        assert status(cluster)["collection"]["records"] == 7
        assert cluster.requests["list", "Pod"] == 1

    asyncio.run(scenario())


def test_a_job_that_failed_before_its_pod_was_seen_fails_for_the_pods_reason(
    cluster: MemoryCluster,
) -> None:
    passes = passes_over(cluster)
    why = Result(reason="RepositoryNotFound", message="There is no acme/docs.")

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.pods_there = [cluster.pod(job, **ended(why, 64))]
        cluster.end_job(job["metadata"]["name"], "Failed", reason="PodFailurePolicy")
        await passes.reconcile(run_key("first"))
        failed = summary(cluster.objects["Invocation", "first"])
        assert failed == ("False", "RepositoryNotFound", "There is no acme/docs.")

    asyncio.run(scenario())


def test_a_run_is_not_cancelled_while_a_pod_lives_that_no_watch_has_shown(
    cluster: MemoryCluster,
) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        pod = cluster.pod(await begin(cluster, passes))
        cluster.pods_there = [pod]
        run = cluster.objects["Invocation", "first"]
        cluster.put({**run, "spec": {**run["spec"], "cancel": True}})
        await passes.reconcile(run_key("first"))
        assert cluster.jobs == {}
        await passes.reconcile(run_key("first"))
        assert summary(cluster.objects["Invocation", "first"])[0] == "Unknown"
        cluster.pods_there = []
        cluster.show(pod, deleted=True)
        await passes.reconcile(run_key("first"))
        assert summary(cluster.objects["Invocation", "first"])[1] == "Cancelled"

    asyncio.run(scenario())


def test_the_next_run_waits_for_a_pod_that_no_watch_has_shown(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        pod = cluster.pod(job)
        cluster.pods_there = [pod]
        cluster.remove("Invocation", "first")
        await cluster.delete_job("team", job["metadata"]["name"], job["metadata"]["uid"])
        await passes.reconcile(SOURCE)
        assert active(cluster) == ""
        cluster.pods_there = []
        cluster.show(pod, deleted=True)
        await passes.reconcile(SOURCE)
        assert active(cluster) == "second"

    asyncio.run(scenario())


def test_what_one_object_finds_in_a_list_wakes_the_others(cluster: MemoryCluster) -> None:
    """The watch will not: what it shows later is known by then."""
    passes = passes_over(cluster)
    woken: list[Key] = []

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.show(cluster.pod(job))
        done = cluster.pod(job, **ended(DONE))
        cluster.pods_there = [done]
        # A Source that was deleted and made again admits the run that has begun once more.
        docs = cluster.objects["Source", "docs"]
        cluster.put({**docs, "status": {**docs["status"], "activeInvocation": None}})
        passes.wake = woken.append
        await passes.reconcile(SOURCE)
        assert run_key("first") in woken
        assert cluster.show(done) == []

    asyncio.run(scenario())


def test_a_check_that_failed_before_its_pod_was_seen_fails_for_the_pods_reason() -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(source()))
    passes = passes_over(cluster)
    why = Result(reason="CredentialsRejected", message="The token is not taken.")

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        job = cluster.made(Step.CHECK)
        cluster.pods_there = [cluster.pod(job, **ended(why, 64))]
        cluster.end_job(job["metadata"]["name"], "Failed", reason="BackoffLimitExceeded")
        await passes.reconcile(SOURCE)
        reason, message = summary(cluster.objects["Source", "docs"])[1:]
        assert reason == "CredentialsRejected"
        assert message.startswith("The token is not taken.")

    asyncio.run(scenario())


def test_what_a_late_watch_made_stale_is_read_again(cluster: MemoryCluster) -> None:
    """Someone cancels, and the watch does not show it before the next write."""
    told: dict[str, Result] = {}
    clock = Clock()
    passes = passes_over(cluster, told, clock)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        pod = cluster.pod(job)
        cluster.show(pod)
        await passes.reconcile(run_key("first"))
        run = cluster.objects["Invocation", "first"]
        newer = {**run["metadata"], "resourceVersion": "999"}
        asked = {**run, "metadata": newer, "spec": {**run["spec"], "cancel": True}}
        cluster.objects["Invocation", "first"] = asked
        told[pod["metadata"]["uid"]] = Result(bytes=1)
        with pytest.raises(RetryError):
            await passes.reconcile(run_key("first"))
        await passes.reconcile(run_key("first"))
        assert cluster.jobs == {}

    asyncio.run(scenario())
