"""Of one Source never two runs are at work, whatever is deleted at the wrong moment."""

from __future__ import annotations

import asyncio

from unit.controller.memory_cluster import MemoryCluster
from unit.controller.passing import (
    FIRST,
    SECOND,
    active,
    admit,
    begin,
    passes_over,
)


def test_a_run_that_is_deleted_while_it_begins_gets_no_job(cluster: MemoryCluster) -> None:
    """Its successor may have been admitted by then: never two Jobs."""
    passes = passes_over(cluster)

    def delete_it(request: str, name: str) -> None:
        if (request, name) == ("patch_status", "first"):
            cluster.remove("Invocation", "first")

    async def scenario() -> None:
        await admit(passes)
        assert active(cluster) == "first"
        cluster.after = delete_it
        await passes.reconcile(FIRST)
        assert cluster.jobs == {}
        await admit(passes)
        assert active(cluster) == "second"
        await passes.reconcile(SECOND)
        assert len(cluster.jobs) == 1

    asyncio.run(scenario())


def test_nobody_is_admitted_while_a_job_is_being_made(cluster: MemoryCluster) -> None:
    """The run is deleted while the request for its Job is under way: the Source waits for the
    answer, and then for the end of that Job."""
    passes = passes_over(cluster)

    async def scenario() -> None:
        await admit(passes)
        cluster.job_gate.clear()
        begins = asyncio.create_task(passes.reconcile(FIRST))
        await asyncio.sleep(0.05)
        cluster.remove("Invocation", "first")
        admits = asyncio.create_task(admit(passes))
        await asyncio.sleep(0.05)
        assert not admits.done()
        cluster.job_gate.set()
        await asyncio.gather(begins, admits)
        assert len(cluster.jobs) == 1
        assert active(cluster) == ""

    asyncio.run(scenario())


def test_the_next_run_waits_for_a_pod_that_no_watch_has_shown(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        pod = cluster.pod(job)
        cluster.pods_there = [pod]
        cluster.remove("Invocation", "first")
        await cluster.delete("Job", "team", job["metadata"]["name"], job["metadata"]["uid"])
        await admit(passes)
        assert active(cluster) == ""
        cluster.pods_there = []
        cluster.show(pod, deleted=True)
        await admit(passes)
        assert active(cluster) == "second"

    asyncio.run(scenario())
