"""The joints of the stream: bounded queues that let go when the run stops."""

from __future__ import annotations

import queue
import threading
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
        """Ask all stages to stop. Only the first error is remembered."""
        with self._lock:
            if self.error is None:
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


class BoundedQueue(Generic[T]):
    """A queue of at most `size` items between two stages. Blocked calls raise `Stopped` when the
    run stops. `close` tells the readers that nothing more comes."""

    def __init__(self, size: int, stop: StopSignal) -> None:
        self._queue: queue.Queue[T] = queue.Queue(maxsize=size)
        self._stop = stop
        self._closed = threading.Event()

    def put(self, item: T) -> None:
        """Add an item; wait while the queue is full."""
        while True:
            self._stop.check()
            try:
                return self._queue.put(item, timeout=_TICK_SECONDS)
            except queue.Full:
                continue

    def close(self) -> None:
        """Nothing more comes. Called by the last writer."""
        self._closed.set()

    def get(self) -> T | None:
        """Take an item; wait while the queue is empty. None once it is closed and empty."""
        while True:
            self._stop.check()
            closed = self._closed.is_set()
            try:
                return self._queue.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                if closed:
                    return None

    def get_within(self, seconds: float) -> T | None:
        """Take an item if one comes within so many seconds."""
        self._stop.check()
        try:
            return self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
