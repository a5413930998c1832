"""What no watch has shown yet is listed, or read again, before anything stands on it."""

from __future__ import annotations

import asyncio

import pytest

from chroma_sync.api.contract import Result, Step
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Work
from chroma_sync.controller.workqueue import RetryError
from unit.controller.memory_cluster import MemoryCluster, ended
from unit.controller.passing import (
    DONE,
    FIRST,
    SOURCE,
    Clock,
    admit,
    begin,
    message,
    passes_over,
    status,
    summary,
)
from unit.reconcile.build import as_json, source


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
        await passes.reconcile(FIRST)
        assert summary(cluster)[0] == "True"
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
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("False", "RepositoryNotFound")
        assert message(cluster) == "There is no acme/docs."

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
        await passes.reconcile(FIRST)
        assert cluster.jobs == {}
        await passes.reconcile(FIRST)
        assert summary(cluster)[0] == "Unknown"
        cluster.pods_there = []
        cluster.show(pod, deleted=True)
        await passes.reconcile(FIRST)
        assert summary(cluster)[1] == "Cancelled"

    asyncio.run(scenario())


def test_what_one_object_finds_in_a_list_wakes_the_others(cluster: MemoryCluster) -> None:
    """The watch will not: what it shows later is known by then."""
    passes = passes_over(cluster)
    woken: list[Work] = []

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.show(cluster.pod(job))
        done = cluster.pod(job, **ended(DONE))
        cluster.pods_there = [done]
        # A Source that was deleted and made again admits the run that has begun once more.
        docs = cluster.objects["Source", "docs"]
        cluster.put({**docs, "status": {**docs["status"], "activeInvocation": None}})
        passes.wake = woken.append
        await admit(passes)
        assert FIRST in woken
        assert cluster.show(done) == []

    asyncio.run(scenario())


def test_a_check_that_failed_before_its_pod_was_seen_fails_for_the_pods_reason() -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(source()))
    passes = passes_over(cluster)
    why = Result(reason="CredentialsRejected", message="The token is not taken.")

    async def scenario() -> None:
        await admit(passes)
        job = cluster.made(Step.CHECK)
        cluster.pods_there = [cluster.pod(job, **ended(why, 64))]
        cluster.end_job(job["metadata"]["name"], "Failed", reason="BackoffLimitExceeded")
        await admit(passes)
        assert summary(cluster, SOURCE)[1] == "CredentialsRejected"
        assert message(cluster, SOURCE).startswith("The token is not taken.")

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
        await passes.reconcile(FIRST)
        run = cluster.objects["Invocation", "first"]
        newer = {**run["metadata"], "resourceVersion": "999"}
        asked = {**run, "metadata": newer, "spec": {**run["spec"], "cancel": True}}
        cluster.objects["Invocation", "first"] = asked
        told[pod["metadata"]["uid"]] = Result(bytes=1)
        with pytest.raises(RetryError):
            await passes.reconcile(FIRST)
        await passes.reconcile(FIRST)
        assert cluster.jobs == {}

    asyncio.run(scenario())
