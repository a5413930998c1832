"""From a new Invocation to its Job: the requests that this takes, and how many in series."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chroma_sync.api.meta import Object
from chroma_sync.cluster.interface import Kind
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import ADMISSION, Work
from chroma_sync.controller.workqueue import WorkQueue
from unit.controller import virtual_time
from unit.controller.memory_cluster import MemoryCluster
from unit.controller.passing import FIRST, SOURCE, Clock, message, passes_over, status, summary
from unit.reconcile.build import as_json, invocation, later, ready_source

REQUEST = 0.01  # seconds


class SlowCluster(MemoryCluster):
    """Each request takes the same time, and so does the watch to show what a write made. `wake` is
    called for each key that it wakes."""

    wake: Callable[[Work], None] = staticmethod(lambda _: None)

    def _tell(self, obj: Object, *, deleted: bool) -> None:
        asyncio.get_running_loop().call_later(REQUEST, self._show, obj, deleted)

    def _show(self, obj: Object, deleted: bool) -> None:
        changed = keys.source_changed if obj["kind"] == "Source" else keys.invocation_changed
        for work in changed(self.cache, obj, deleted=deleted):
            self.wake(work)

    async def _slowly(self, call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        await asyncio.sleep(REQUEST)
        return await call(*arguments)

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        found: Object | None = await self._slowly(super().read, kind, namespace, name)
        return found

    async def patch_status(self, kind: Kind, obj: Object, status: Object) -> Object:
        patched: Object = await self._slowly(super().patch_status, kind, obj, status)
        return patched

    async def pods(self, namespace: str, selector: str) -> list[Object]:
        listed: list[Object] = await self._slowly(super().pods, namespace, selector)
        return listed

    async def create_config_map(self, config_map: Object) -> None:
        await self._slowly(super().create_config_map, config_map)

    async def create_job(self, job: Object) -> Object:
        created: Object = await self._slowly(super().create_job, job)
        return created


def test_a_run_has_its_job_after_six_requests_in_series() -> None:
    """The Source's: it and its pods, its status. The run's: it and its Source, its status, it and
    the ConfigMap, the Job."""

    async def scenario() -> None:
        time = asyncio.get_running_loop().time
        cluster = SlowCluster(Cache())
        cluster.put(as_json(ready_source()))
        passes = passes_over(cluster, clock=lambda: later(10 + time()))
        queue = WorkQueue(passes.reconcile, group_of=lambda key: key.namespace)
        passes.wake = cluster.wake = queue.add
        working = asyncio.create_task(queue.run())
        await asyncio.sleep(1)  # until the Source is known, and nothing is left to do
        cluster.requests.clear()
        made: list[float] = []
        cluster.after = lambda name, _: made.append(time()) if name == "create_job" else None
        began = time() + REQUEST
        cluster.put(as_json(invocation(name="first", uid="uid-first")))
        await asyncio.sleep(0.9)
        working.cancel()
        assert [pytest.approx(began + 6 * REQUEST)] == made
        # The Source looks once more at a run that has begun.
        assert cluster.requests == {
            ("read", "Source"): 3,
            ("list", "Pod"): 1,
            ("patch_status", "Source"): 1,
            ("read", "Invocation"): 2,
            ("patch_status", "Invocation"): 1,
            ("create", "ConfigMap"): 1,
            ("create", "Job"): 1,
        }

    virtual_time.run(scenario())


def test_a_granted_run_that_is_not_admitted_says_why_after_a_second(cluster: MemoryCluster) -> None:
    clock = Clock()
    passes = passes_over(cluster, clock=clock)

    async def scenario() -> None:
        await passes.reconcile(ADMISSION)
        assert await passes.reconcile(FIRST) == 1
        assert not cluster.requests
        clock.now = later(11)
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("Unknown", "Pending")
        assert "has not admitted it yet" in message(cluster)

    asyncio.run(scenario())


def test_a_run_is_never_begun_with_the_source_of_another_one_of_its_name(
    cluster: MemoryCluster,
) -> None:
    """The watch still shows a run that was deleted and made again, for another Source."""
    passes = passes_over(cluster)
    again = as_json(invocation(name="first", uid="uid-again", spec={"sourceRef": {"name": "none"}}))

    async def scenario() -> None:
        await passes.reconcile(ADMISSION)
        await passes.reconcile(SOURCE)
        cluster.objects["Invocation", "first"] = {
            **again,
            "metadata": {**again["metadata"], "resourceVersion": "1000"},
        }
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("Unknown", "SourceNotFound")
        assert "startTime" not in status(cluster)

    asyncio.run(scenario())
