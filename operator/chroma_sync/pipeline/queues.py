"""The joints of the stream: bounded queues that let go when the run stops."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from chroma_sync.pipeline.errors import Stopped

T = TypeVar("T")
# How long a blocked thread may take to notice that the run has stopped.
_TICK_SECONDS = 0.1


class StopSignal:
    """Asks every stage to end. The first error that set it is kept."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def stop(self, error: BaseException | None = None) -> None:
        """Ask all stages to stop. Only the first word counts: an error after a deliberate stop is
        its consequence."""
        with self._lock:
            if not self._event.is_set():
                self.error = error
            self._event.set()

    def is_set(self) -> bool:
        """Whether the run was asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for a stop, so long at most. True when it came."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise `Stopped` when the run was asked to stop."""
        if self._event.is_set():
            raise Stopped


def stoppable_sleep(stop: StopSignal) -> Callable[[float], None]:
    """A `sleep` that raises `Stopped` as soon as the run is asked to stop."""

    def sleep(seconds: float) -> None:
        stop.wait(seconds)
        stop.check()

    return sleep


class BoundedQueue(Generic[T]):
    """A queue of at most `size` between two stages: so many items, or items that `weigh` so much
    together. One item always fits. Blocked calls raise `Stopped` when the run stops. When each of
    its `writers` has called `close`, the readers are told that nothing more comes."""

    def __init__(
        self,
        size: int,
        stop: StopSignal,
        weigh: Callable[[T], int] = lambda _: 1,
        writers: int = 1,
    ) -> None:
        self._items: deque[T] = deque()
        self._weight = 0
        self._weigh = weigh
        self._size = size
        self._stop = stop
        self._changed = threading.Condition()
        self._writers = writers

    def put(self, item: T) -> None:
        """Add an item; wait while the queue is full."""
        weight = self._weigh(item)
        with self._changed:
            self._wait_for(lambda: not self._items or self._weight + weight <= self._size, None)
            self._items.append(item)
            self._weight += weight
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more comes of one of the writers."""
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()

    def get(self, within: float | None = None) -> T | None:
        """Take an item; wait while the queue is empty, at most so many seconds. None when none
        came, or none comes any more."""
        with self._changed:
            self._wait_for(lambda: bool(self._items) or not self._writers, within)
            if not self._items:
                return None
            item = self._items.popleft()
            self._weight -= self._weigh(item)
            self._changed.notify_all()
            return item

    def _wait_for(self, ready: Callable[[], bool], within: float | None) -> None:
        give_up_at = None if within is None else time.monotonic() + within
        self._stop.check()
        while not ready():
            left = _TICK_SECONDS if give_up_at is None else give_up_at - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(min(left, _TICK_SECONDS))
            self._stop.check()
