"""The queue of keys: one pass a key at a time, backoff, and passes at a later time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from chroma_sync.controller.workqueue import WorkQueue, backoff

Reconcile = Callable[[str], Awaitable[float | None]]


def worked(reconcile: Reconcile, keys: list[str], seconds: float, **options: object) -> None:
    """Add some keys and let the queue work for a while."""

    async def main() -> None:
        queue = WorkQueue(reconcile, retry_delay=lambda n: 0.01 * n, **options)  # type: ignore[arg-type]
        task = asyncio.create_task(queue.run())
        for key in keys:
            queue.add(key)
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_one_pass_a_key_at_a_time() -> None:
    running: Counter[str] = Counter()
    passes: Counter[str] = Counter()
    most = 0

    async def reconcile(key: str) -> float | None:
        nonlocal most
        running[key] += 1
        assert running[key] == 1
        most = max(most, sum(running.values()))
        await asyncio.sleep(0.02)
        running[key] -= 1
        passes[key] += 1
        return None

    worked(reconcile, ["a", "b", "a", "c", "a"], 0.3, workers=2)
    assert passes == {"a": 1, "b": 1, "c": 1}
    assert most == 2


def test_a_key_added_during_its_pass_gets_another_one() -> None:
    passes = 0

    async def main() -> None:
        nonlocal passes

        async def reconcile(key: str) -> float | None:
            nonlocal passes
            passes += 1
            if passes == 1:
                queue.add("a")
                queue.add("a")
            return None

        queue = WorkQueue(reconcile)
        task = asyncio.create_task(queue.run())
        queue.add("a")
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert passes == 2


def test_a_pass_that_fails_is_repeated() -> None:
    passes = 0

    async def reconcile(key: str) -> float | None:
        nonlocal passes
        passes += 1
        if passes < 4:
            raise ValueError("not yet")
        return None

    worked(reconcile, ["a"], 0.5)
    assert passes == 4


def test_a_pass_that_hangs_is_ended() -> None:
    passes = 0

    async def reconcile(key: str) -> float | None:
        nonlocal passes
        passes += 1
        if passes == 1:
            await asyncio.sleep(3600)
        return None

    worked(reconcile, ["a"], 0.5, pass_timeout=0.05)
    assert passes == 2


def test_a_pass_at_a_later_time() -> None:
    times: list[float] = []

    async def reconcile(key: str) -> float | None:
        times.append(asyncio.get_running_loop().time())
        return 0.1 if len(times) == 1 else None

    worked(reconcile, ["a"], 0.6)
    assert len(times) == 2
    assert times[1] - times[0] >= 0.09


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (50, 60.0)])
def test_backoff(failures: int, seconds: float) -> None:
    assert backoff(failures) == pytest.approx(seconds)
