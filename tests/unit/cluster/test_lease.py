"""The Lease, against a store in memory that can hang, fail, be slow or be written by others.

Times are the real ones, on a clock that jumps to the next moment at which anything happens.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from chroma_sync.cluster.errors import ClusterError, ConflictError, LeaseLostError, NotFoundError
from chroma_sync.cluster.lease import DURATION, RENEW_DEADLINE, Leadership


class JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: the time that the loop would wait has passed at once."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing would ever happen again"
        self.now += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(scenario: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(scenario)


def now() -> float:
    return asyncio.get_running_loop().time()


class Store:
    """What stands at the Lease's path."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.written = 0.0
        self.late = 0.0  # seconds from a write to its answer
        self.hangs = self.fails = False

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.fails:
            raise ClusterError(500, "no")

    def write(self, spec: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        metadata = {"name": "lease", "resourceVersion": str(self.version)}
        self.lease = {"metadata": metadata, "spec": spec}
        self.written = now()
        return self.lease

    async def _write(self, spec: dict[str, Any]) -> dict[str, Any]:
        lease = self.write(spec)
        await asyncio.sleep(self.late)
        return lease

    async def get(self, path: str) -> dict[str, Any]:
        await self._answer()
        if self.lease is None:
            raise NotFoundError(404, path)
        return self.lease

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answer()
        if self.lease is not None:
            raise ConflictError(409, path)
        return await self._write(body["spec"])

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answer()
        if self.lease is None:
            raise NotFoundError(404, path)
        stands = self.lease["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != stands:
            raise ConflictError(409, path)
        return await self._write(body["spec"])


def leadership(store: Store, identity: str) -> Leadership:
    return Leadership(store, "system", "lease", identity, clock=now)  # type: ignore[arg-type]


def holder(store: Store) -> str:
    assert store.lease is not None
    return str(store.lease["spec"]["holderIdentity"])


def test_one_holds_it_until_it_gives_it_up() -> None:
    async def scenario() -> None:
        store = Store()
        first, second = leadership(store, "first"), leadership(store, "second")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await asyncio.sleep(4 * DURATION)
        assert not waiting.done()
        assert holder(store) == "first" and first.held
        keeping.cancel()
        await first.release()
        assert not first.held
        await asyncio.wait_for(waiting, 2 * DURATION)
        assert holder(store) == "second"

    run(scenario())


def test_a_dead_holder_is_followed() -> None:
    async def scenario() -> None:
        store = Store()
        await leadership(store, "dead").acquire()
        second = leadership(store, "second")
        began = now()
        await asyncio.wait_for(second.acquire(), 2 * DURATION)
        assert now() - began >= DURATION
        assert holder(store) == "second"

    run(scenario())


@pytest.mark.parametrize("trouble", ["hangs", "fails"])
@pytest.mark.parametrize("late", [0.0, 4.9])
def test_a_holder_that_can_not_renew_gives_up_before_another_may_follow(
    trouble: str, late: float
) -> None:
    async def scenario() -> None:
        store = Store()
        store.late = late
        first = leadership(store, "first")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        await asyncio.sleep(2 * DURATION)
        assert not keeping.done()
        setattr(store, trouble, True)
        with pytest.raises(LeaseLostError, match="not renewed"):
            await keeping
        assert now() - store.written < DURATION
        assert not first.held

    run(scenario())


@pytest.mark.parametrize("following", [False, True])
def test_a_lease_whose_first_answer_was_late_is_given_up_in_time(following: bool) -> None:
    async def scenario() -> None:
        store = Store()
        if following:
            await leadership(store, "dead").acquire()
        store.late = 9.0
        first = leadership(store, "first")
        await first.acquire()
        store.hangs = True
        with pytest.raises(LeaseLostError, match="not renewed"):
            await first.keep()
        assert now() - store.written < DURATION

    run(scenario())


@pytest.mark.parametrize("following", [False, True])
def test_a_lease_is_not_taken_by_an_answer_that_comes_too_late(following: bool) -> None:
    async def scenario() -> None:
        store = Store()
        if following:
            await leadership(store, "dead").acquire()
        store.late = DURATION + 5.0
        asyncio.get_running_loop().call_later(2.2 * DURATION, setattr, store, "late", 0.0)
        first = leadership(store, "first")
        await first.acquire()
        assert now() - store.written < RENEW_DEADLINE
        assert holder(store) == "first"

    run(scenario())


def test_another_holder_ends_the_work() -> None:
    async def scenario() -> None:
        store = Store()
        first = leadership(store, "first")
        await first.acquire()
        store.write({"holderIdentity": "second"})
        with pytest.raises(LeaseLostError, match="held by second"):
            await asyncio.wait_for(first.keep(), 2 * DURATION)

    run(scenario())


def test_a_renewal_whose_answer_nobody_waited_for_does_not_keep_the_lease() -> None:
    """A signal comes at any moment: often between a write and its answer."""

    async def scenario() -> None:
        store = Store()
        first, second = leadership(store, "first"), leadership(store, "second")
        await first.acquire()
        store.late = 1.0
        keeping = asyncio.create_task(first.keep())
        await asyncio.sleep(0.5)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        store.late = 0.0
        await first.release()
        assert holder(store) == ""
        began = now()
        await second.acquire()
        assert now() == began

    run(scenario())


def test_a_lease_that_another_holds_is_not_given_up() -> None:
    async def scenario() -> None:
        store = Store()
        first = leadership(store, "first")
        await first.acquire()
        store.write({"holderIdentity": "second"})
        await first.release()
        assert holder(store) == "second"
        assert not first.held

    run(scenario())


def test_an_empty_lease_is_taken_at_once() -> None:
    """The chart makes one, and takes it away with the installation."""

    async def scenario() -> None:
        store = Store()
        store.write({})
        began = now()
        await leadership(store, "first").acquire()
        assert now() == began
        assert holder(store) == "first"

    run(scenario())


def test_a_lease_that_is_deleted_is_lost_before_another_makes_it() -> None:
    async def scenario() -> None:
        store = Store()
        first, second = leadership(store, "first"), leadership(store, "second")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        following = asyncio.create_task(second.acquire())
        await asyncio.sleep(1)
        store.lease = None
        with pytest.raises(LeaseLostError, match="held by nobody"):
            await keeping
        assert not following.done()
        await first.release()
        await asyncio.wait_for(following, DURATION)
        assert holder(store) == "second"

    run(scenario())


def test_a_write_by_somebody_who_is_no_holder_is_survived() -> None:
    async def scenario() -> None:
        store = Store()
        first = leadership(store, "first")
        await first.acquire()
        assert store.lease is not None
        store.write(dict(store.lease["spec"]))
        keeping = asyncio.create_task(first.keep())
        await asyncio.sleep(2 * DURATION)
        assert not keeping.done()
        keeping.cancel()

    run(scenario())
