"""Which Invocation of a Source may run. One at a time, the oldest first.

The choice stands on the Source's status and is written with its resourceVersion, so that two
Invocations that are applied together never both start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
    # One that is being deleted ends as a cancelled one does: first its pods, then its condition.
    alive = [i for i in invocations if not i.finished and (i.started or not (i.deleting or i.held))]
    active = status.active_invocation
    if active is not None and any(i.uid == active.uid for i in alive):
        return
    status.active_invocation = None
    chosen = _first(alive, startable=startable)
    if chosen is None:
        return
    if not chosen.started and _busy(chosen.uid, jobs, pods):
        plan.again_in(LOOK_AGAIN)
        return
    status.active_invocation = ActiveInvocation(name=chosen.name, uid=chosen.uid)


def _first(alive: Sequence[InvocationState], *, startable: bool) -> InvocationState | None:
    """The next one. One that has started goes on, whatever became of its Source since: it may have
    been deleted and made again."""
    ordered = sorted(alive, key=lambda i: (i.created, i.name))
    started = [i for i in ordered if i.started]
    waiting = [i for i in ordered if not i.cancel] if startable else []
    return next(iter([*started, *waiting]), None)


def _busy(uid: str, jobs: Sequence[JobState], pods: Sequence[PodState]) -> bool:
    """Whether anything of another run of this Source is still at work."""
    return any(
        j.owner_kind == "Invocation" and j.owner_uid != uid and not j.over for j in jobs
    ) or any(p.invocation_uid not in ("", uid) and not p.ended for p in pods)
