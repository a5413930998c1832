"""Queues are bounded by number or by weight, and let go when the run stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from chroma_sync.pipeline.errors import Stopped
from chroma_sync.pipeline.queues import BoundedQueue, StopSignal


def blocks(action: Callable[[], object]) -> bool:
    """Whether a call is still waiting after a while."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(0.3)
    return thread.is_alive()


def test_a_full_queue_makes_its_writer_wait() -> None:
    stop = StopSignal()
    queue: BoundedQueue[str] = BoundedQueue(2, stop)
    queue.put("a")
    queue.put("b")
    assert blocks(lambda: queue.put("c"))
    assert [queue.get(), queue.get(), queue.get()] == ["a", "b", "c"]
    queue.close()
    assert queue.get() is None


def test_weight_counts() -> None:
    queue: BoundedQueue[bytes] = BoundedQueue(10, StopSignal(), len)
    queue.put(b"x" * 6)
    queue.put(b"x" * 4)
    assert blocks(lambda: queue.put(b"y"))
    assert queue.get() == b"x" * 6
    queue.put(b"x" * 5)
    assert blocks(lambda: queue.put(b"z" * 5))
    assert {queue.get() for _ in range(4)} == {b"x" * 4, b"y", b"x" * 5, b"z" * 5}


def test_one_item_always_fits() -> None:
    queue: BoundedQueue[bytes] = BoundedQueue(10, StopSignal(), len)
    queue.put(b"x" * 1000)
    assert blocks(lambda: queue.put(b"y"))
    assert [queue.get(), queue.get()] == [b"x" * 1000, b"y"]


def test_a_stop_lets_go() -> None:
    stop = StopSignal()
    queue: BoundedQueue[int] = BoundedQueue(1, stop)
    threading.Timer(0.2, stop.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        queue.get()
    assert time.monotonic() - began < 10


def test_reading_within_a_time_gives_up() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1, StopSignal())
    assert queue.get(within=0) is None
    assert queue.get(within=0.05) is None
