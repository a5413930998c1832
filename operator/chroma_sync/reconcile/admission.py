"""Which Invocation of a Source may run. One at a time, the oldest first.

The choice stands on the Source's status and is written with its resourceVersion, so that two
Invocations that are applied together never both start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chroma_sync.api.conditions import timestamp
from chroma_sync.api.source import ActiveInvocation, SourceStatus
from chroma_sync.reconcile.observed import InvocationState, JobState, PodState
from chroma_sync.reconcile.plan import Plan

# Nothing wakes the operator when the last pod of a run is gone whose Invocation was deleted.
LOOK_AGAIN: Final = 1.0


def admit(
    plan: Plan[SourceStatus],
    invocations: Sequence[InvocationState],
    jobs: Sequence[JobState],
    pods: Sequence[PodState],
    *,
    startable: bool,
) -> None:
    """Bring `activeInvocation` up to date. `startable`: the Source is ready and not suspended."""
    status = plan.status
    alive = _alive(invocations)
    active = status.active_invocation
    if active is not None and any(i.uid == active.uid for i in alive):
        return
    status.active_invocation = None
    chosen = _first(alive, startable=startable)
    if chosen is None:
        return
    if not chosen.started and remains(chosen.uid, jobs, pods):
        plan.again_in(LOOK_AGAIN)
        return
    status.active_invocation = ActiveInvocation(name=chosen.name, uid=chosen.uid)


def ahead(uid: str, invocations: Sequence[InvocationState]) -> InvocationState | None:
    """The run that goes right before another one."""
    queue = _queue(_alive(invocations))
    place = next((n for n, i in enumerate(queue) if i.uid == uid), len(queue))
    return queue[place - 1] if place else None


def follower(of: InvocationState, invocations: Sequence[InvocationState]) -> str:
    """The name of the run that goes right after another one; empty when there is none."""
    later = [
        i
        for i in _queue(_alive(invocations))
        if not i.started and (i.created, i.name) > (of.created, of.name)
    ]
    return later[0].name if later else ""


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


def _first(alive: Sequence[InvocationState], *, startable: bool) -> InvocationState | None:
    """The next one. One that has started goes on, whatever became of its Source since: it may have
    been deleted and made again."""
    return next((i for i in _queue(alive) if i.started or startable), None)


def _alive(invocations: Sequence[InvocationState]) -> list[InvocationState]:
    """Those that go or wait. One that is being deleted ends as a cancelled one does: first its
    pods, then its condition."""
    return [i for i in invocations if not i.finished and (i.started or not (i.deleting or i.held))]


def _queue(alive: Sequence[InvocationState]) -> list[InvocationState]:
    ordered = sorted(alive, key=lambda i: (i.created, i.name))
    waiting = [i for i in ordered if not i.started and not i.cancel]
    return [*(i for i in ordered if i.started), *waiting]
