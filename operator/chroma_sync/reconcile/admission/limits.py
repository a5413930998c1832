"""How many runs may go at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from chroma_sync.reconcile.observed import InvocationState


@dataclass(frozen=True)
class Run:
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

    group_of: Callable[[Run], Hashable]
    most: int


# Two runs of one Source would write to the same collections.
PER_SOURCE: Final = Limit(lambda run: (run.namespace, run.state.source), 1)
LIMITS: Final = (PER_SOURCE,)


class Places:
    """The places that are taken, under some limits."""

    def __init__(self, taken: Iterable[Run], limits: tuple[Limit, ...] = LIMITS) -> None:
        self._limits = limits
        self._taken: Counter[tuple[int, Hashable]] = Counter()
        for run in taken:
            self._taken.update(self._groups(run))

    def take(self, run: Run) -> bool:
        """Take a place for a run. Returns whether each limit has one."""
        groups = self._groups(run)
        if any(self._taken[group] >= self._limits[group[0]].most for group in groups):
            return False
        self._taken.update(groups)
        return True

    def _groups(self, run: Run) -> list[tuple[int, Hashable]]:
        return [(n, limit.group_of(run)) for n, limit in enumerate(self._limits)]
