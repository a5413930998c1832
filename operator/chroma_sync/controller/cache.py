"""What the watches have shown so far: a few fields of each object, so that it stays small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from chroma_sync.reconcile.names import label_value
from chroma_sync.reconcile.observed import InvocationState, JobState, SourceState

Place = tuple[str, str]  # namespace, name
T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    uid: str
    version: int
    state: T
    group: Place


class Shelf(Generic[T]):
    """Objects of one kind by place, and by a group that they belong to."""

    def __init__(self) -> None:
        self._entries: dict[Place, _Entry[T]] = {}
        self._groups: dict[Place, dict[Place, T]] = {}

    def get(self, place: Place) -> T | None:
        entry = self._entries.get(place)
        return entry.state if entry else None

    def put(self, place: Place, uid: str, version: int, state: T, group: Place) -> bool:
        """Keep the state of an object at a resourceVersion. Returns whether it is news. An older
        version is ignored: news of an object and of its successor can overtake each other."""
        before = self._entries.get(place)
        if before is not None and version < before.version:
            return False
        if before is not None:
            self._drop(place)
        self._entries[place] = _Entry(uid, version, state, group)
        self._groups.setdefault(group, {})[place] = state
        return before is None or (before.uid, before.state) != (uid, state)

    def remove(self, place: Place, uid: str) -> bool:
        """Forget the object, unless another one has its place by now. Returns whether it was
        there."""
        entry = self._entries.get(place)
        if entry is None or entry.uid != uid:
            return False
        self._drop(place)
        return True

    def of(self, group: Place) -> list[T]:
        return list(self._groups.get(group, {}).values())

    def all(self) -> list[T]:
        return [entry.state for entry in self._entries.values()]

    def places(self) -> set[Place]:
        return set(self._entries)

    def _drop(self, place: Place) -> None:
        group = self._entries.pop(place).group
        members = self._groups[group]
        del members[place]
        if not members:
            del self._groups[group]


class Cache:
    """Sources; Invocations, grouped by their Source; Jobs, grouped by the label of their Source."""

    def __init__(self) -> None:
        self.sources: Shelf[SourceState] = Shelf()
        self.invocations: Shelf[InvocationState] = Shelf()
        self.jobs: Shelf[JobState] = Shelf()

    def invocations_of(self, namespace: str, source: str) -> list[InvocationState]:
        return self.invocations.of((namespace, source))

    def jobs_of(self, namespace: str, source: str) -> list[JobState]:
        return self.jobs.of((namespace, label_value(source)))
