"""One queue of keys: each key is reconciled by one pass at a time.

What client-go's rate-limited workqueue does, for asyncio. A key that is added while its pass runs
gets another pass afterwards; a key that is added many times before its pass gets one.

There are two lanes with workers of their own. What happened to an object is urgent. What only keeps
it up to date goes in the background: however much there is of it, nothing urgent waits for it, and
the API server is asked no more than its few workers can.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from chroma_sync.controller.round_robin import RoundRobin
from chroma_sync.reconcile.backoff import Backoff

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

RETRIES = Backoff(first=0.2, last=60.0)
LOGGED_FROM = 5  # conflicts and short outages are over after fewer failures


class RetryError(Exception):
    """A pass must run again soon, for an ordinary reason: not a fault, so not logged as one.

    `refused`: a person may have to change something, so it is logged at once."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


def is_logged(failures: int, first: int) -> bool:
    """Whether to warn of that many failures in a row: of `first`, then each time they doubled."""
    doublings, rest = divmod(failures, first)
    return rest == 0 and doublings.bit_count() == 1


class _Lane(Generic[K]):
    """Keys that wait for workers of their own."""

    def __init__(self, workers: int, group_of: Callable[[K], Hashable]) -> None:
        self.workers = workers
        self.keys = RoundRobin(group_of)
        self._available = asyncio.Event()

    def put(self, key: K) -> None:
        self.keys.add(key)
        self._available.set()

    async def take(self) -> K:
        """The next key, as soon as there is one."""
        while not self.keys:
            self._available.clear()
            await self._available.wait()
        return self.keys.take()


class WorkQueue(Generic[K]):
    """Calls `reconcile(key)` for each key that was added. Groups of keys take turns.

    `reconcile` returns the seconds after which the key wants another pass, or None. An exception
    means another pass with backoff, and so does a pass of more than `pass_timeout` seconds.
    """

    def __init__(
        self,
        reconcile: Callable[[K], Awaitable[float | None]],
        *,
        group_of: Callable[[K], Hashable] = lambda _: None,
        workers: int = 8,
        background_workers: int = 2,
        pass_timeout: float = 60.0,
        retry_delay: Callable[[int], float] = RETRIES.delay,
    ) -> None:
        self._reconcile = reconcile
        self._urgent: _Lane[K] = _Lane(workers, group_of)
        self._background: _Lane[K] = _Lane(background_workers, group_of)
        self._pass_timeout = pass_timeout
        self._retry_delay = retry_delay
        self._running: set[K] = set()
        self._again: dict[K, _Lane[K]] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """How many keys wait for a worker now. Keys that wait for a time are not counted."""
        return len(self._urgent.keys) + len(self._background.keys)

    def add(self, key: K) -> None:
        """Ask for a pass of the key as soon as a worker is free. Call it from the loop's thread."""
        self._add(key, self._urgent)

    def add_background(self, key: K) -> None:
        """Ask for a pass of the key that need not be soon."""
        self._add(key, self._background)

    def _add(self, key: K, lane: _Lane[K]) -> None:
        if key in self._running:
            if self._again.get(key) is not self._urgent:
                self._again[key] = lane
        elif lane is self._urgent:
            self._background.keys.discard(key)
            lane.put(key)
        elif key not in self._urgent.keys:
            lane.put(key)

    def _add_after(self, key: K, seconds: float, lane: _Lane[K]) -> None:
        """Ask for a pass after a time. It takes the place of an earlier request of this kind."""
        self._cancel_timer(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(max(seconds, 0.0), self._due, key, lane)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for lane in (self._urgent, self._background):
                    for _ in range(lane.workers):
                        group.create_task(self._work(lane))
        finally:
            for key in list(self._timers):
                self._cancel_timer(key)

    async def _work(self, lane: _Lane[K]) -> None:
        while True:
            await self._one_pass(await lane.take())

    async def _one_pass(self, key: K) -> None:
        self._running.add(key)
        self._cancel_timer(key)
        lane = self._background
        delay: float | None
        try:
            async with asyncio.timeout(self._pass_timeout):
                delay = await self._reconcile(key)
            self._failures.pop(key, None)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay, lane = self._retry_delay(failures), self._urgent
            if isinstance(error, RetryError):
                logged = is_logged(failures, 1 if error.refused else LOGGED_FROM)
                level = logging.WARNING if logged else logging.DEBUG
                logger.log(
                    level, "%s: failure %d, again in %.1f s: %s", key, failures, delay, error
                )
            else:
                logger.exception("%s: the pass failed; again in %.1f s", key, delay)
        finally:
            self._running.discard(key)
        if key in self._again:
            self._add(key, self._again.pop(key))
        elif delay is not None:
            self._add_after(key, delay, lane)

    def _due(self, key: K, lane: _Lane[K]) -> None:
        self._timers.pop(key, None)
        self._add(key, lane)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
