"""How often a status is written, and how much of it."""

from __future__ import annotations

import asyncio

from chroma_sync.api.contract import Result
from chroma_sync.controller.merge import merge_patch
from unit.controller.memory_cluster import MemoryCluster, merged
from unit.controller.passing import (
    FIRST,
    Clock,
    begin,
    passes_over,
    status,
    summary,
)
from unit.reconcile.build import later


def test_the_patch_that_passes_write_is_a_merge_patch() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    new = {"b": {"c": 1, "d": 3}, "e": [1, 2], "f": 0}
    assert merged(old, merge_patch(old, new)) == new


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
            await passes.reconcile(FIRST)
            written.append(status(cluster)["bytes"])
        assert written == [5 * (second // 5) for second in range(60)]
        assert cluster.requests == {("patch_status", "Invocation"): 12}
        # What it does next is to come back when the last numbers may be written.
        clock.now = later(161)
        told[pod["metadata"]["uid"]] = Result(bytes=99)
        assert await passes.reconcile(FIRST) is not None
        clock.now = later(162)
        told[pod["metadata"]["uid"]] = Result(bytes=100)
        assert await passes.reconcile(FIRST) == 4

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
            await passes.reconcile(FIRST)
        assert cluster.requests == {("patch_status", "Invocation"): 1}

    asyncio.run(scenario())


def test_a_change_of_state_is_written_at_once(cluster: MemoryCluster) -> None:
    told: dict[str, Result] = {}
    passes = passes_over(cluster, told)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.show(cluster.pod(job))
        told[cluster.pod(job)["metadata"]["uid"]] = Result(bytes=1)
        await passes.reconcile(FIRST)
        why = {"reason": "ErrImagePull", "message": "no such image"}
        waits = {"containerStatuses": [{"name": "worker", "state": {"waiting": why}}]}
        assert cluster.show(cluster.pod(job, phase="Pending", **waits)) == [FIRST]
        await passes.reconcile(FIRST)
        assert summary(cluster)[1] == "ImagePullFailed"

    asyncio.run(scenario())
