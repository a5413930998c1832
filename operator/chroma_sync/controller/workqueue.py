"""One queue of keys: each key is reconciled by one pass at a time.

What client-go's rate-limited workqueue does, for asyncio. A key that is added while its pass runs
gets another pass afterwards; a key that is added many times before its pass gets one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

BACKOFF_FIRST = 0.2
BACKOFF_LAST = 60.0
TOLD_FROM = 5  # conflicts and short outages are over after fewer failures


class RetryError(Exception):
    """A pass must run again soon, for an ordinary reason: not a fault, so not logged as one.

    `refused`: a person may have to change something, so it is told at once."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


def backoff(failures: int, first: float = BACKOFF_FIRST, last: float = BACKOFF_LAST) -> float:
    """Seconds to wait after that many failures in a row: doubling from `first` up to `last`."""
    return min(first * 2.0 ** min(failures - 1, 30), last)


def is_told(failures: int, first: int) -> bool:
    """Whether to warn of that many failures in a row: of `first`, then each time they doubled."""
    doublings, rest = divmod(failures, first)
    return rest == 0 and doublings.bit_count() == 1


class WorkQueue(Generic[K]):
    """Calls `reconcile(key)` for each key that was added.

    `reconcile` returns the seconds after which the key wants another pass, or None. An exception
    means another pass with backoff, and so does a pass of more than `pass_timeout` seconds.
    """

    def __init__(
        self,
        reconcile: Callable[[K], Awaitable[float | None]],
        *,
        workers: int = 8,
        pass_timeout: float = 60.0,
        retry_delay: Callable[[int], float] = backoff,
    ) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._pass_timeout = pass_timeout
        self._retry_delay = retry_delay
        self._ready: deque[K] = deque()
        self._queued: set[K] = set()
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._available = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait for a worker now. Keys that wait for a time are not counted."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Ask for a pass of the key as soon as a worker is free. Call it from the loop's thread."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._available.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for a pass after a time. It takes the place of an earlier request of this kind."""
        self._cancel_timer(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(max(seconds, 0.0), self._due, key)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            for key in list(self._timers):
                self._cancel_timer(key)

    async def _work(self) -> None:
        while True:
            while not self._ready:
                self._available.clear()
                await self._available.wait()
            await self._one_pass(self._ready.popleft())

    async def _one_pass(self, key: K) -> None:
        self._queued.discard(key)
        self._running.add(key)
        self._cancel_timer(key)
        delay: float | None
        try:
            async with asyncio.timeout(self._pass_timeout):
                delay = await self._reconcile(key)
            self._failures.pop(key, None)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = self._retry_delay(failures)
            if isinstance(error, RetryError):
                told = is_told(failures, 1 if error.refused else TOLD_FROM)
                level = logging.WARNING if told else logging.DEBUG
                logger.log(
                    level, "%s: failure %d, again in %.1f s: %s", key, failures, delay, error
                )
            else:
                logger.exception("%s: the pass failed; again in %.1f s", key, delay)
        finally:
            self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        elif delay is not None:
            self.add_after(key, delay)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
