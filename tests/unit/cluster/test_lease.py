"""The Lease, against a store in memory that can hang, fail or be written by others.

Times are a hundredth of the real ones.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chroma_sync.cluster import lease as lease_module
from chroma_sync.cluster.errors import ClusterError, ConflictError, LeaseLostError, NotFoundError
from chroma_sync.cluster.lease import Leadership


class Store:
    """What stands at the Lease's path."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
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
        return self.lease

    async def get(self, path: str) -> dict[str, Any]:
        await self._answer()
        if self.lease is None:
            raise NotFoundError(404, path)
        return self.lease

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answer()
        if self.lease is not None:
            raise ConflictError(409, path)
        return self.write(body["spec"])

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answer()
        stands = (self.lease or {}).get("metadata", {}).get("resourceVersion")
        if body["metadata"]["resourceVersion"] != stands:
            raise ConflictError(409, path)
        return self.write(body["spec"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RETRY_PERIOD", 0.02)
    monkeypatch.setattr(lease_module, "RENEW_DEADLINE", 0.1)
    monkeypatch.setattr(lease_module, "DURATION", 0.15)


def leadership(store: Store, identity: str) -> Leadership:
    return Leadership(store, "system", "lease", identity)  # type: ignore[arg-type]


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
        await asyncio.sleep(0.4)
        assert not waiting.done()
        assert holder(store) == "first" and first.held
        keeping.cancel()
        await first.release()
        assert not first.held
        await asyncio.wait_for(waiting, 10)
        assert holder(store) == "second"

    asyncio.run(scenario())


def test_a_dead_holder_is_followed() -> None:
    async def scenario() -> None:
        store = Store()
        await leadership(store, "dead").acquire()
        second = leadership(store, "second")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.wait_for(second.acquire(), 10)
        assert loop.time() - began >= lease_module.DURATION
        assert holder(store) == "second"

    asyncio.run(scenario())


@pytest.mark.parametrize("trouble", ["hangs", "fails"])
def test_a_holder_that_can_not_renew_gives_up_before_another_may_follow(trouble: str) -> None:
    async def scenario() -> None:
        store = Store()
        first = leadership(store, "first")
        await first.acquire()
        setattr(store, trouble, True)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(LeaseLostError, match="not renewed"):
            await asyncio.wait_for(first.keep(), 10)
        # With the real times: 14 s of 15.
        bound = lease_module.RENEW_DEADLINE * 1.5
        assert loop.time() - began < bound + 2 * lease_module.RETRY_PERIOD + 0.5
        assert not first.held

    asyncio.run(scenario())


def test_another_holder_ends_the_work() -> None:
    async def scenario() -> None:
        store = Store()
        first = leadership(store, "first")
        await first.acquire()
        store.write({"holderIdentity": "second"})
        with pytest.raises(LeaseLostError, match="held by second"):
            await asyncio.wait_for(first.keep(), 10)

    asyncio.run(scenario())


def test_a_write_by_somebody_who_is_no_holder_is_survived() -> None:
    async def scenario() -> None:
        store = Store()
        first = leadership(store, "first")
        await first.acquire()
        assert store.lease is not None
        store.write(dict(store.lease["spec"]))
        keeping = asyncio.create_task(first.keep())
        await asyncio.sleep(0.3)
        assert not keeping.done()
        keeping.cancel()

    asyncio.run(scenario())
