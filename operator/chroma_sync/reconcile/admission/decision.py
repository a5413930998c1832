"""Which runs may start: decided over all runs of all Sources at once.

What is decided here is a grant. It is carried out by the Source's own pass, which sees to it that
nothing of an earlier run is at work any more, and writes it to the Source's status with its
resourceVersion: so of two Invocations that are applied together never both start.
"""

from __future__ import annotations

from collections.abc import Iterable

from chroma_sync.reconcile.admission import queue
from chroma_sync.reconcile.admission.limits import LIMITS, Limit, Places, UnfinishedRun


def grants(
    runs: Iterable[UnfinishedRun], limits: tuple[Limit, ...] = LIMITS
) -> list[UnfinishedRun]:
    """The runs that may start beside those that are active. Who was granted it before keeps it, as
    long as he may start at all."""
    runs = list(runs)
    places = Places((run for run in runs if run.active and queue.alive(run.state)), limits)
    candidates = [run for run in runs if not run.active and _may_start(run)]
    candidates.sort(key=lambda run: (not run.granted, *queue.place(run.state)))
    return [run for run in candidates if places.take(run)]


def _may_start(run: UnfinishedRun) -> bool:
    """One that has started goes on, whatever became of its Source since: it may have been deleted
    and made again."""
    return queue.waits(run.state) and (run.state.started or run.startable)
