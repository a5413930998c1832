"""Pods are asked apart from passes; however many are silent, the others are asked in time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from chroma_sync.api.contract import Result
from chroma_sync.api.meta import Object
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.controller.polling import ANSWERING, OTHERS, PERIOD, Polling
from unit.controller import virtual_time

PATIENCE = 1.0  # seconds after which the reader gives up


def job(n: int) -> Object:
    """The Job of run `run-n`."""
    owner = {
        "apiVersion": "chromasync.dev/v1alpha1",
        "kind": "Invocation",
        "name": f"run-{n}",
        "uid": f"uid-run-{n}",
        "controller": True,
    }
    return {"metadata": _metadata(f"job-{n}", n) | {"ownerReferences": [owner]}}


def pod(n: int, version: int = 1, **status: Any) -> Object:
    """The pod of run `run-n`."""
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": f"job-{n}",
        "uid": f"uid-job-{n}",
        "controller": True,
    }
    metadata = _metadata(f"pod-{n}", n, version) | {"ownerReferences": [owner]}
    address = f"10.0.{n // 256}.{n % 256}"
    return {"metadata": metadata, "status": {"phase": "Running", "podIP": address} | status}


def _metadata(name: str, n: int, version: int = 1) -> Object:
    return {
        "name": name,
        "namespace": "team",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-24T12:00:00Z",
        "labels": {
            "chromasync.dev/source": f"source-{n}",
            "chromasync.dev/step": "run",
            "chromasync.dev/invocation-uid": f"uid-run-{n}",
        },
    }


class Pods:
    """Pods at work, each of a run of its own. `silent` ones do not answer; the others tell how many
    seconds are over, in steps of `step`."""

    def __init__(self, count: int, silent: int = 0, step: float = 1.0) -> None:
        self.cache = Cache()
        self.silent = {pod(n)["status"]["podIP"] for n in range(silent)}
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.woken: list[Key] = []
        self.at_once = self.most_at_once = 0
        self._step = step
        for n in range(count):
            keys.job_changed(self.cache, job(n), deleted=False)
            keys.pod_changed(self.cache, pod(n), deleted=False)
        self.polling = Polling(self.read, self.cache)
        self.polling.wake = self.woken.append

    async def read(self, address: str) -> Result | None:
        now = asyncio.get_running_loop().time()
        self.asked[address].append(now)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(PATIENCE if address in self.silent else 0.01)
        finally:
            self.at_once -= 1
        return None if address in self.silent else Result(bytes=int(now // self._step))

    def poll(self, seconds: float, then: Callable[[], Awaitable[None]] | None = None) -> None:
        """Let the pods be asked for so long, and then once more after something happened."""

        async def scenario() -> None:
            task = asyncio.create_task(self.polling.run())
            await asyncio.sleep(seconds)
            if then is not None:
                await then()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        virtual_time.run(scenario())


def pauses(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_600_silent_pods_take_nothing_from_600_that_answer() -> None:
    pods = Pods(1200, silent=600)
    pods.poll(120)
    answering = [times for address, times in pods.asked.items() if address not in pods.silent]
    assert len(answering) == 600
    # Each was asked soon after the start, and then in time.
    assert max(times[0] for times in answering) < 30
    assert max(pause for times in answering for pause in pauses(times)) < PERIOD + 0.5
    assert pods.most_at_once <= ANSWERING + OTHERS


def test_a_new_pod_is_asked_soon_among_silent_ones() -> None:
    pods = Pods(600, silent=600)

    async def another() -> None:
        keys.job_changed(pods.cache, job(600), deleted=False)
        keys.pod_changed(pods.cache, pod(600), deleted=False)
        await asyncio.sleep(10)

    pods.poll(300, another)
    (asked,) = [t for address, times in pods.asked.items() for t in times[:1] if t > 299]
    assert asked < 310
    assert Key("Invocation", "team", "run-600") in pods.woken


@pytest.mark.parametrize(("step", "wakes"), [(1.0, 12), (1e9, 1)])
def test_a_run_is_woken_only_by_new_numbers(step: float, wakes: int) -> None:
    pods = Pods(1, step=step)
    pods.poll(60)
    assert len(pods.asked["10.0.0.0"]) == 12
    assert pods.woken == [Key("Invocation", "team", "run-0")] * wakes


def test_a_silent_pod_is_asked_ever_more_rarely() -> None:
    pods = Pods(2, silent=1)

    async def it_answers() -> None:
        assert pods.polling.unresponsive == 1
        pods.silent.clear()
        await asyncio.sleep(70)
        assert pods.polling.unresponsive == 0

    pods.poll(300, it_answers)
    waits = [round(pause - PATIENCE) for pause in pauses(pods.asked["10.0.0.0"])]
    assert waits[:9] == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    # Once it answered, it is asked as all are.
    assert waits[-1] == round(PERIOD - PATIENCE)


def test_what_a_pod_told_stays_until_the_pod_is_gone() -> None:
    pods = Pods(2)

    async def ends() -> None:
        killed = {"terminated": {"exitCode": 137, "reason": "Error"}}
        status = {"phase": "Failed", "containerStatuses": [{"name": "worker", "state": killed}]}
        keys.pod_changed(pods.cache, pod(0, 2, **status), deleted=False)
        await asyncio.sleep(2)
        times = len(pods.asked["10.0.0.0"])
        await asyncio.sleep(20)
        assert len(pods.asked["10.0.0.0"]) == times
        assert set(pods.polling.progress) == {"uid-pod-0", "uid-pod-1"}
        keys.pod_changed(pods.cache, pod(0, 3), deleted=True)
        await asyncio.sleep(2)
        assert set(pods.polling.progress) == {"uid-pod-1"}

    pods.poll(20, ends)


def test_only_pods_of_runs_are_asked() -> None:
    """A check's pod has nothing to tell; one without an address can't be reached."""
    pods = Pods(0)
    check = pod(0)
    del check["metadata"]["labels"]["chromasync.dev/invocation-uid"]
    keys.pod_changed(pods.cache, check, deleted=False)
    keys.pod_changed(pods.cache, pod(1, podIP=""), deleted=False)
    keys.pod_changed(pods.cache, pod(2, phase="Pending"), deleted=False)
    pods.poll(20)
    assert pods.asked == {}
