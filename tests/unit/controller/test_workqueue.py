"""The queue of keys: one pass a key at a time, backoff, and passes at a later time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from chroma_sync.controller.workqueue import RETRIES, RetryError, WorkQueue, is_logged
from unit.controller import virtual_time

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
    assert RETRIES.delay(failures) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("first", "told"), [(5, [5, 10, 20, 40, 80]), (1, [1, 2, 4, 8, 16, 32, 64])]
)
def test_which_failures_are_told(first: int, told: list[int]) -> None:
    assert [n for n in range(1, 101) if is_logged(n, first)] == told


@pytest.mark.parametrize(("refused", "told"), [(False, [5]), (True, [1, 2, 4])])
def test_a_retry_that_lasts_is_told(
    refused: bool, told: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    failures = 0

    async def reconcile(key: str) -> float | None:
        nonlocal failures
        failures += 1
        if failures > 7:
            return None
        raise RetryError("POST /jobs: 422 too many", refused=refused)

    worked(reconcile, ["team/docs"], 1.5)
    assert failures == 8
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [w.split(",")[0] for w in warnings] == [f"team/docs: failure {n}" for n in told]
    assert all(w.endswith(": POST /jobs: 422 too many") for w in warnings)


def test_nothing_urgent_waits_for_what_goes_in_the_background() -> None:
    """600 runs have new numbers, and each pass takes its time."""
    order: list[str] = []
    running = most = 0

    async def scenario() -> None:
        async def reconcile(key: str) -> float | None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.05)
            running -= 1
            order.append(key)
            return None

        queue = WorkQueue(reconcile, background_workers=2)
        task = asyncio.create_task(queue.run())
        for n in range(600):
            queue.add_background(f"numbers-{n}")
        await asyncio.sleep(0.97)
        assert len(queue) == 560
        began = asyncio.get_running_loop().time()
        queue.add("new")
        while "new" not in order:
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began < 0.1
        await asyncio.sleep(30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(scenario())
    assert most == 3
    assert len(order) == len(set(order)) == 601


def test_what_becomes_urgent_while_it_waits_gets_one_pass_and_soon() -> None:
    order: list[str] = []

    async def scenario() -> None:
        async def reconcile(key: str) -> float | None:
            if not order:
                queue.add("first")
                queue.add_background("first")
            order.append(key)
            await asyncio.sleep(1)
            return None

        queue = WorkQueue(reconcile, workers=1, background_workers=1)
        for key in ("first", "second", "third"):
            queue.add_background(key)
        task = asyncio.create_task(queue.run())
        await asyncio.sleep(0.5)
        queue.add("third")
        queue.add_background("third")
        await asyncio.sleep(10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(scenario())
    assert order == ["first", "third", "second", "first"]


def test_a_pass_at_a_later_time_is_not_urgent_but_a_retry_is() -> None:
    order: list[tuple[str, float]] = []

    async def scenario() -> None:
        async def reconcile(key: str) -> float | None:
            now = asyncio.get_running_loop().time()
            order.append((key, now))
            if key == "fails":
                raise RetryError("not yet")
            await asyncio.sleep(5)
            return 1 if key == "later" else None

        queue = WorkQueue(reconcile, background_workers=1, retry_delay=lambda n: 1)
        queue.add("later")
        queue.add("fails")
        for n in range(3):
            queue.add_background(f"numbers-{n}")
        task = asyncio.create_task(queue.run())
        await asyncio.sleep(15.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(scenario())
    assert [time for key, time in order if key == "later"] == [0, 15]
    assert [time for key, time in order if key == "fails"] == [float(n) for n in range(16)]


def test_a_flood_of_one_group_holds_nobody_else_up() -> None:
    order: list[str] = []

    async def reconcile(key: str) -> float | None:
        order.append(key)
        return None

    flood = [f"a{n}" for n in range(1_000)]
    worked(reconcile, [*flood, "b0", "c0"], 0.1, workers=1, group_of=lambda key: key[0])
    assert order[:4] == ["a0", "b0", "c0", "a1"]
    assert len(order) == 1_002
