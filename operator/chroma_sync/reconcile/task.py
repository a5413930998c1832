"""A task: a Job that is followed to its end, once or again and again until it succeeds.

A Job is found by its name, which tells one attempt from the others, and an attempt is read from the
Job and its pods alone: so a restarted operator goes on where the last one stopped. Where Kubernetes
itself starts a pod after one that failed, an attempt lasts until the Job gives up; where it does
not, the operator makes another Job after a while, and the status counts the attempts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from chroma_sync.api.conditions import timestamp
from chroma_sync.api.contract import Step
from chroma_sync.api.source import CheckStatus
from chroma_sync.reconcile import pods, starting
from chroma_sync.reconcile.backoff import Backoff
from chroma_sync.reconcile.decision import JobRejection
from chroma_sync.reconcile.inputs import Workload
from chroma_sync.reconcile.observed import JobState, PodState, moment
from chroma_sync.reconcile.pods import JobFailure


class Phase(Enum):
    """How far an attempt is."""

    MISSING = auto()  # its Job is to be made
    DELETING = auto()  # its Job goes away, and its pods with it
    QUEUED = auto()  # a queue or a person holds its Job
    GOING = auto()
    DONE = auto()
    FAILED = auto()


@dataclass(frozen=True)
class Task:
    """A Job, None while there is none, and the newest pod of each of its indexes. `retried`: by the
    Job itself. `overdue` is what to say of a Job that took longer than it may."""

    job: JobState | None
    latest: Mapping[int, PodState]
    indexes: int = 1
    retried: bool = True
    overdue: str = ""

    @property
    def done(self) -> bool:
        """Whether it has succeeded. Its pods may say so before the Job does."""
        every = range(self.indexes)
        all_well = all(i in self.latest and pods.succeeded(self.latest[i]) for i in every)
        return self.job is not None and (self.job.complete or all_well)

    @property
    def newest(self) -> list[PodState]:
        return [self.latest[i] for i in sorted(self.latest)]


@dataclass(frozen=True)
class Attempt:
    """How an attempt stands. `failure`: of one that goes, what keeps it from its work; of one that
    failed, why. `held` says who holds a queued one. `look_in`: news in so many seconds."""

    phase: Phase
    failure: JobFailure | None = None
    held: str = ""
    look_in: float | None = None


def find(
    workload: Workload,
    name: str,
    owner_uid: str,
    step: Step,
    *,
    indexes: int = 1,
    retried: bool = True,
    overdue: str = "",
) -> Task:
    """The task whose Job has this name and owner."""
    job = next((j for j in workload.jobs if (j.name, j.owner.uid) == (name, owner_uid)), None)
    own = [pod for pod in workload.pods if job is not None and pod.owner.uid == job.uid]
    return Task(job, pods.latest(own, step), indexes, retried, overdue)


def attempt(task: Task, workload: Workload, now: datetime) -> Attempt:
    """Read how an attempt stands."""
    job, newest = task.job, task.newest
    if job is None:
        return Attempt(Phase.MISSING)
    if task.done:
        return Attempt(Phase.DONE)
    if job.deleting:
        return Attempt(Phase.DELETING)
    ended = not task.retried and any(pod.terminated is not None for pod in newest)
    if job.failure is not None or ended:
        return Attempt(Phase.FAILED, pods.failure_of_job(job, workload.pods, task.overdue))
    held = starting.held(job, newest)
    if held:
        return Attempt(Phase.QUEUED, held=held)
    alone = (now - job.created).total_seconds()
    early = not newest and alone < starting.NO_POD_SECONDS
    look_in = starting.NO_POD_SECONDS - alone if early else None
    return Attempt(Phase.GOING, _what_keeps(task, job, workload, now), look_in=look_in)


def rejection(workload: Workload, *names: str) -> JobRejection | None:
    """The API server's no to a Job of one of these names, if that is the last that it said."""
    refused = workload.refused
    return refused if refused is not None and refused.job in names else None


def due_in(status: CheckStatus, now: datetime) -> float:
    """Seconds until the next attempt may begin; 0 or less when it may."""
    return (moment(status.next_attempt_time) - now).total_seconds()


def after_failure(status: CheckStatus, task: Task, policy: Backoff, now: datetime) -> CheckStatus:
    """The status after one more attempt that failed. A server that the attempt met may ask to be
    left alone for longer than the policy says."""
    results = [result for pod in task.newest if (result := pods.result_of(pod))]
    asked = max((result.retry_after_seconds for result in results), default=0)
    attempts = status.attempts + 1
    due = now + timedelta(seconds=max(policy.delay(attempts), asked))
    update = {"attempts": attempts, "next_attempt_time": timestamp(due)}
    return status.model_copy(update=update)


def _what_keeps(task: Task, job: JobState, workload: Workload, now: datetime) -> JobFailure | None:
    """What keeps a task from its work: what Kubernetes says of its pods, else what the workers say
    themselves."""
    unmade = starting.no_pod(job, task.newest, workload.no_pods, now)
    of_pods = [failure for pod in task.newest if (failure := pods.failure_of(pod))]
    at_work = [pod.uid for pod in task.newest if not pod.terminated]
    said = [workload.progress[uid] for uid in at_work if uid in workload.progress]
    of_workers = [JobFailure(pods.known(r.reason), r.message) for r in said if r.reason]
    return unmade or next(iter([*of_pods, *of_workers]), None)
