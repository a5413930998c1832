"""Several documents of a source are opened at once: as many as it lets, and each once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Stopped, Temporary
from chroma_sync.pipeline.fetch import Kept, Opened, Outcome, Ref, Skipped
from chroma_sync.pipeline.queues import BoundedQueue, StopSignal
from unit.pipeline.shelf import Shelf, Shelves

LANES = 4
TEXTS = {f"{n:03}": f"text {n}\n" for n in range(40)}


class Watched(Shelf):
    """A shelf that tells what happens while its documents are opened."""

    def __init__(self, opening: Callable[[Ref], Outcome | None], lanes: int = LANES) -> None:
        super().__init__(TEXTS, lanes=lanes)
        self._opening = opening
        self._lock = threading.Lock()
        self.now = self.most = 0

    def open(self, ref: Ref, known: str | None) -> Outcome:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return self._opening(ref) or super().open(ref, known)
        finally:
            with self._lock:
                self.now -= 1


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[Shelves]:
    made = Shelves(tmp_path)
    yield made
    made.database.close()


def test_as_many_as_the_source_lets(shelves: Shelves) -> None:
    together = threading.Barrier(LANES, timeout=20)

    def opening(_: Ref) -> None:
        together.wait()

    shelf = Watched(opening)
    steps.run(shelves.tools(shelf))
    assert shelf.most == LANES
    assert shelves.texts() == TEXTS
    assert sorted(shelf.opened) == sorted(TEXTS), "each once"


def test_in_one_lane_one_after_the_other(shelves: Shelves) -> None:
    shelf = Watched(lambda _: None, lanes=1)
    steps.run(shelves.tools(shelf))
    assert (shelf.most, shelf.opened) == (1, sorted(TEXTS))


def test_each_answer_is_that_documents_own(shelves: Shelves) -> None:
    kept = Kept(DocumentReason.ACCESS_DENIED, "It is denied.")

    def opening(ref: Ref) -> Outcome | None:
        answers: dict[int, Outcome] = {0: Skipped(DocumentReason.GONE), 1: kept}
        return answers.get(int(ref.key) % 4)

    tools = shelves.tools(Watched(opening))
    steps.run(tools)
    counts = tools.progress.result().documents
    assert (counts.indexed, counts.skipped, counts.failed) == (20, 10, 10)
    assert set(shelves.texts()) == {key for key in TEXTS if int(key) % 4 > 1}


def test_trouble_in_one_ends_the_run(shelves: Shelves) -> None:
    def opening(ref: Ref) -> None:
        if ref.key == "007":
            raise Temporary(Reason.HOST_UNREACHABLE, "It is gone.")

    shelf = Watched(opening)
    with pytest.raises(Temporary, match="It is gone"):
        steps.run(shelves.tools(shelf))
    assert shelf.now == 0


def test_a_stop_ends_all(shelves: Shelves) -> None:
    tools = shelves.tools(shelf := Watched(lambda _: tools.stop.stop()))
    with pytest.raises(Stopped):
        steps.run(tools)
    assert 0 < len(shelf.opened) <= LANES


def test_two_that_come_to_one_key_are_one_document(shelves: Shelves) -> None:
    """However close they are: the second one is skipped."""
    together = threading.Barrier(LANES, timeout=20)

    class Moved(Watched):
        def refs(self) -> Generator[Ref, None, None]:
            yield from (Ref(key, None, None) for key in TEXTS)

    def opening(ref: Ref) -> Outcome:
        together.wait()
        return Opened(Ref("one", "1", 4), b"text")

    tools = shelves.tools(Moved(opening))
    steps.run(tools)
    counts = tools.progress.result()
    assert (counts.documents.indexed, counts.skipped) == (1, {"Duplicate": len(TEXTS) - 1})
    assert shelves.texts() == {"one": "text"}


def test_a_queue_ends_when_its_last_writer_has_done() -> None:
    queue: BoundedQueue[int] = BoundedQueue(10, StopSignal(), writers=2)
    queue.put(1)
    queue.close()
    assert queue.get() == 1
    assert queue.get(within=0) is None
    queue.put(2)
    queue.close()
    assert (queue.get(), queue.get()) == (2, None)
