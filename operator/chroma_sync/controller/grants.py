"""The grants to start that no Source's status shows yet.

They live in this process alone: one that restarts decides again.
"""

from __future__ import annotations

from chroma_sync.controller.cache import Cache, Place
from chroma_sync.controller.key import Key
from chroma_sync.reconcile.admission import decision
from chroma_sync.reconcile.admission.limits import UnfinishedRun
from chroma_sync.reconcile.observed import InvocationState


class Grants:
    """At most one for each Source."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._granted: dict[Place, str] = {}  # the uid of the run, by the place of its Source

    def of(self, source: Place) -> str:
        """The uid of the run that may start next; empty when none may."""
        return self._granted.get(source, "")

    def decide(self) -> list[Key]:
        """Decide over all runs. Returns the Sources for which that is news."""
        runs = [
            run
            for (namespace, _), state in self._cache.invocations.items()
            if not state.finished and (run := self._run(namespace, state))
        ]
        before = self._granted
        self._granted = {
            (run.namespace, run.state.source): run.state.uid for run in decision.grants(runs)
        }
        return [Key("Source", *p) for p, uid in self._granted.items() if before.get(p) != uid]

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
            granted=self._granted.get(place) == state.uid,
        )
