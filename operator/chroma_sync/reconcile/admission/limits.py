"""How many runs may go at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from chroma_sync.reconcile.observed import InvocationState


class UnfinishedRun(NamedTuple):
    """A run that has not ended. `startable`: its Source is ready and not suspended. `active`: the
    Source's status names it. `granted`: it was decided that it may start, and no status says so
    yet."""

    namespace: str
    state: InvocationState
    startable: bool = False
    active: bool = False
    granted: bool = False


@dataclass(frozen=True)
class Limit:
    """At most so many runs of one group."""

    group_of: Callable[[UnfinishedRun], Hashable]
    most: int


# Two runs of one Source would write to the same collections.
PER_SOURCE: Final = Limit(lambda run: (run.namespace, run.state.source), 1)
LIMITS: Final = (PER_SOURCE,)


class Places:
    """The places that are taken, under some limits."""

    def __init__(self, taken: Iterable[UnfinishedRun], limits: tuple[Limit, ...] = LIMITS) -> None:
        self._taken: list[tuple[Limit, Counter[Hashable]]] = [
            (limit, Counter()) for limit in limits
        ]
        for run in taken:
            self._add(run)

    def take(self, run: UnfinishedRun) -> bool:
        """Take a place for a run. Returns whether each limit has one."""
        if any(taken[limit.group_of(run)] >= limit.most for limit, taken in self._taken):
            return False
        self._add(run)
        return True

    def _add(self, run: UnfinishedRun) -> None:
        for limit, taken in self._taken:
            taken[limit.group_of(run)] += 1
