"""The runs of one Source in the order in which they go: those that have begun, then the oldest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chroma_sync.reconcile.observed import InvocationState


def place(run: InvocationState) -> tuple[bool, datetime, str]:
    """What the order is by: runs are sorted by it."""
    return not run.started, run.created, run.name


def alive(run: InvocationState) -> bool:
    """Whether a run goes or waits. One that is being deleted ends as a cancelled one does: first
    its pods, then its condition."""
    return not run.finished and (run.started or not (run.deleting or run.held))


def waits(run: InvocationState) -> bool:
    """Whether a run has a place in the queue, and may be admitted when it is its turn."""
    return alive(run) and (run.started or not run.cancel)


def turn_state(run: InvocationState) -> tuple[str, str, bool, bool]:
    """All of a run that changes who may start. That it has started does not: it had its place."""
    return run.uid, run.source, alive(run), waits(run)


def ahead(uid: str, runs: Sequence[InvocationState]) -> InvocationState | None:
    """The run that goes right before another one."""
    queue = _queue(runs)
    number = next((n for n, run in enumerate(queue) if run.uid == uid), len(queue))
    return queue[number - 1] if number else None


def follower(of: InvocationState, runs: Sequence[InvocationState]) -> str:
    """The name of the run that goes right after another one; empty when there is none."""
    after = (of.created, of.name)
    later = [run for run in _queue(runs) if not run.started and (run.created, run.name) > after]
    return later[0].name if later else ""


def _queue(runs: Sequence[InvocationState]) -> list[InvocationState]:
    return sorted((run for run in runs if waits(run)), key=place)
