"""The grants to start that no Source's status shows yet.

They live in this process alone: one that restarts decides again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from chroma_sync.controller.cache import Cache, Place
from chroma_sync.controller.key import Key
from chroma_sync.reconcile.admission import decision, queue
from chroma_sync.reconcile.admission.limits import UnfinishedRun
from chroma_sync.reconcile.observed import InvocationState

# Seconds from a grant within which a Source has written it, unless something is in the way.
WRITTEN_WITHIN: Final = 1.0


class _Grant(NamedTuple):
    uid: str  # of the run
    since: datetime


class Grants:
    """At most one for each Source."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._granted: dict[Place, _Grant] = {}  # by the place of the Source

    def of(self, source: Place) -> str:
        """The uid of the run that may start next; empty when none may."""
        grant = self._granted.get(source)
        return grant.uid if grant is not None else ""

    def decide(self, now: datetime) -> list[Key]:
        """Decide over all runs. Returns the Sources for which that is news."""
        runs = [
            run
            for (namespace, _), state in self._cache.invocations.items()
            if not state.finished and (run := self._run(namespace, state))
        ]
        before = self._granted
        self._granted = {}
        for run in decision.grants(runs):
            place, uid = (run.namespace, run.state.source), run.state.uid
            grant = before.get(place, _Grant("", now))
            self._granted[place] = grant if grant.uid == uid else _Grant(uid, now)
        return [Key("Source", *p) for p, grant in self._granted.items() if before.get(p) != grant]

    def expected(self, source: Place, now: datetime) -> float:
        """For how many seconds yet a Source is expected to write its grant at any moment. 0 when it
        has, when it has none, and when something is in the way."""
        grant, state = self._granted.get(source), self._cache.sources.get(source)
        if grant is None or state is None or state.active_uid == grant.uid:
            return 0.0
        age = (now - grant.since).total_seconds()  # a clock may be set back
        return WRITTEN_WITHIN - age if 0 <= age < WRITTEN_WITHIN else 0.0

    def being_admitted(self, run: Key, now: datetime) -> float:
        """For how many seconds yet a run is expected to be admitted at any moment: what it could
        tell would not be true for longer. 0 when it is not."""
        state = self._cache.invocations.get((run.namespace, run.name))
        if state is None or state.started or not queue.waits(state):
            return 0.0
        source = (run.namespace, state.source)
        return self.expected(source, now) if self.of(source) == state.uid else 0.0

    def _run(self, namespace: str, state: InvocationState) -> UnfinishedRun | None:
        """A run as admission sees it; None while its Source is not there."""
        place = (namespace, state.source)
        source = self._cache.sources.get(place)
        if source is None:
            return None
        return UnfinishedRun(
            namespace,
            state,
            startable=source.startable,
            active=source.active_uid == state.uid,
            granted=self.of(place) == state.uid,
        )
