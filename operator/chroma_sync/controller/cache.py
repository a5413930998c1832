"""What the watches have shown so far: a few fields of each object, so that it stays small.

News of one object can overtake each other, for the operator also keeps what its own writes return.
Versions (resourceVersion) tell which is newer: Kubernetes lets them be compared as numbers. And a
watch that had a gap never tells of what was deleted meanwhile: so what a later list lacks is
dropped.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chroma_sync.cluster.interface import ListedKind
from chroma_sync.reconcile.names import label_value
from chroma_sync.reconcile.observed import InvocationState, JobState, PodState, SourceState

Place = tuple[str, str]  # namespace, name
T = TypeVar("T")


@dataclass
class _Cached(Generic[T]):
    uid: str
    version: int
    state: T
    group: Place


class Shelf(Generic[T]):
    """Objects of one kind by place, and by a group that they belong to."""

    def __init__(self) -> None:
        self._entries: dict[Place, _Cached[T]] = {}
        self._groups: dict[Place, dict[Place, T]] = {}
        # The last versions of what was removed, so that late news can't bring it back.
        self._removed: dict[Place, int] = {}
        self._last_list = 0

    def get(self, place: Place) -> T | None:
        entry = self._entries.get(place)
        return entry.state if entry else None

    def version(self, place: Place) -> int | None:
        """The version at which an object is known."""
        entry = self._entries.get(place)
        return entry.version if entry else None

    def put(self, place: Place, uid: str, version: int, state: T, group: Place) -> bool:
        """Keep the state of an object at a version. Returns whether it is news. What is older than
        what is known is ignored."""
        before = self._entries.get(place)
        if version < (before.version if before else self._removed.get(place, 0)):
            return False
        if before is not None:
            self._drop(place)
        self._entries[place] = _Cached(uid, version, state, group)
        self._groups.setdefault(group, {})[place] = state
        return before is None or (before.uid, before.state) != (uid, state)

    def remove(self, place: Place, uid: str, version: int) -> bool:
        """Forget the object that was deleted at a version, unless another one has its place by now.
        Returns whether it was there."""
        self._removed[place] = max(version, self._removed.get(place, 0))
        entry = self._entries.get(place)
        if entry is None or entry.uid != uid:
            return False
        self._drop(place)
        return True

    def drop_missing(self, there: Set[str], version: int) -> list[tuple[Place, T]]:
        """Forget what a list of all uids, read at a version, lacks. Returns what that was."""
        # No news that is still under way is older than the list before this one.
        self._removed = {p: v for p, v in self._removed.items() if v > self._last_list}
        self._last_list = version
        lost = [
            (place, entry)
            for place, entry in self._entries.items()
            if entry.uid not in there and entry.version <= version
        ]
        for place, entry in lost:
            self.remove(place, entry.uid, version)
        return [(place, entry.state) for place, entry in lost]

    def of(self, group: Place) -> list[T]:
        return list(self._groups.get(group, {}).values())

    def all(self) -> list[T]:
        return [entry.state for entry in self._entries.values()]

    def items(self) -> list[tuple[Place, T]]:
        return [(place, entry.state) for place, entry in self._entries.items()]

    def places(self) -> set[Place]:
        return set(self._entries)

    def _drop(self, place: Place) -> None:
        group = self._entries.pop(place).group
        members = self._groups[group]
        del members[place]
        if not members:
            del self._groups[group]


class Cache:
    """Sources; Invocations, grouped by their Source; Jobs and pods, grouped by the label of their
    Source, those apart that nothing of ours controls."""

    def __init__(self) -> None:
        self.sources: Shelf[SourceState] = Shelf()
        self.invocations: Shelf[InvocationState] = Shelf()
        self.jobs: Shelf[JobState] = Shelf()
        self.pods: Shelf[PodState] = Shelf()

    def invocations_of(self, namespace: str, source: str) -> list[InvocationState]:
        return self.invocations.of((namespace, source))

    def jobs_of(self, namespace: str, source: str) -> list[JobState]:
        return self.jobs.of((namespace, label_value(source)))

    def pods_of(self, namespace: str, source: str) -> list[PodState]:
        return self.pods.of((namespace, label_value(source)))

    def places(self, kind: ListedKind) -> set[Place]:
        """Where the objects of a kind are."""
        shelves: dict[ListedKind, Shelf[Any]] = {
            "Source": self.sources,
            "Invocation": self.invocations,
            "Job": self.jobs,
            "Pod": self.pods,
        }
        return shelves[kind].places()
