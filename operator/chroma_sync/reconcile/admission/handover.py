"""From one run of a Source to the next: what is at work of the former ends first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chroma_sync.api.conditions import timestamp
from chroma_sync.api.source import ActiveInvocation, SourceStatus
from chroma_sync.reconcile.admission import queue
from chroma_sync.reconcile.decision import Decision
from chroma_sync.reconcile.inputs import ObservedSource
from chroma_sync.reconcile.observed import JobState, PodState

# Nothing wakes the operator when the last pod of a run is gone whose Invocation was deleted.
LOOK_AGAIN: Final = 1.0


def hand_over(
    observed: ObservedSource, decision: Decision[SourceStatus], *, startable: bool
) -> None:
    """Bring `activeInvocation` up to date: it stays until its run has ended, and then is the one
    that was granted to start. `startable`: the Source is ready and not suspended."""
    status = decision.status
    alive = [run for run in observed.invocations if queue.alive(run)]
    active = status.active_invocation
    if active is not None and any(run.uid == active.uid for run in alive):
        return
    status.active_invocation = None
    granted = next((run for run in alive if run.uid == observed.granted), None)
    if granted is None or not queue.waits(granted) or not (granted.started or startable):
        return
    if not granted.started and remains(granted.uid, observed.jobs, observed.pods):
        decision.again_in(LOOK_AGAIN)
        return
    status.active_invocation = ActiveInvocation(name=granted.name, uid=granted.uid)


def remains(uid: str, jobs: Sequence[JobState], pods: Sequence[PodState]) -> str:
    """What is still at work of another run of this Source; empty when nothing is."""
    others = [
        f"Job {j.name}, made at {timestamp(j.created)},"
        for j in jobs
        if j.owner.kind == "Invocation" and j.owner.uid != uid and not j.over
    ]
    others += [
        f"Pod {p.name}, made at {timestamp(p.created)},"
        for p in pods
        if p.invocation_uid not in ("", uid) and not p.ended
    ]
    return next(iter(others), "")
