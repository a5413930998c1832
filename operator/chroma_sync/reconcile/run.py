"""The Jobs of a run that has begun: `run` alone, or `plan`, `work` and `finish`.

Nothing but the Jobs, their pods and the status says how far a run is: so a restarted operator goes
on where the last one stopped. All Jobs of a run stay until it has ended, for they say which steps
are done, even when their pods are gone with their node.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from chroma_sync.api.conditions import SUCCEEDED, find, timestamp
from chroma_sync.api.configuration import (
    Configuration,
    NewerConfigurationError,
    document,
    read,
    unknown_features,
)
from chroma_sync.api.contract import Step
from chroma_sync.api.invocation import InvocationStatus
from chroma_sync.api.reasons import Reason
from chroma_sync.reconcile import conditions, counts, jobs, starting, task
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.decision import CreateJob, Decision
from chroma_sync.reconcile.inputs import ObservedRun
from chroma_sync.reconcile.observed import PodState, moment
from chroma_sync.reconcile.owners import Owner
from chroma_sync.reconcile.pods import JobFailure
from chroma_sync.reconcile.task import Attempt, Phase, Task

# Each change of a Job, a pod or the counts wakes the operator: this is for news that got lost.
LOOK_AGAIN: Final = 30.0
OVERDUE: Final = (
    "The run took longer than spec.jobTemplate.activeDeadlineSeconds of its Source allows."
)
DOING: Final = {
    Step.RUN: "The run is going.",
    Step.PLAN: "The revision is resolved and the collection claimed.",
    Step.WORK: "The documents are being indexed.",
    Step.FINISH: "The collection is being finished.",
}


def store(status: InvocationStatus, configuration: Configuration) -> None:
    """Fix the configuration of a run in its status."""
    status.configuration = document(configuration)


def stored(status: InvocationStatus) -> Configuration | None:
    """The configuration of a run that has begun; None when this release can't read it."""
    try:
        return read(status.configuration)
    except NewerConfigurationError:
        return None


def is_complete(observed: ObservedRun) -> bool:
    """Whether the last step has already reported success."""
    return any(_task(observed, step).done for step in (Step.RUN, Step.FINISH))


def count(observed: ObservedRun, status: InvocationStatus, now: datetime) -> None:
    """Bring the counts up to date."""
    before = status.model_copy()  # what changes is replaced, never altered
    counts.show(status, _own(observed), observed.progress)
    status.attempts = sum(max(0, j.failed - (j.failure is not None)) for j in observed.jobs)
    if status != before:
        status.updated_at = timestamp(now)


def advance(observed: ObservedRun, decision: Decision[InvocationStatus], now: datetime) -> State:
    """Bring a run that has begun one step further. Returns the state that it is in."""
    if is_complete(observed):
        return _completed(decision.status)
    configuration = stored(decision.status)
    if configuration is None:
        return _held("can't be read here")
    steps = _steps(configuration)
    for n, step in enumerate(steps):
        indexes = configuration.shards if step is Step.WORK else 1
        found = _task(observed, step, indexes)
        # A later step was only ever begun after this one.
        begun = any(_task(observed, later).job is not None for later in steps[n + 1 :])
        if not (found.done or begun):
            return _drive(observed, decision, configuration, step, found, now)
    return _completed(decision.status)


def _held(why: str) -> State:
    """A run that a newer release began. What goes of it is left alone."""
    message = (
        f"A newer release of the operator began this run, and its configuration {why}. Pods that "
        "run go on, no new ones are started. Upgrade the operator, or cancel the run."
    )
    return conditions.held(Reason.NEWER_RELEASE, message)


def _steps(configuration: Configuration) -> tuple[Step, ...]:
    if configuration.shards == 1:
        return (Step.RUN,)
    return (Step.PLAN, Step.WORK, Step.FINISH)


def _own(observed: ObservedRun) -> list[PodState]:
    """The pods that Jobs of this run made."""
    known = {job.uid for job in observed.jobs}
    return [pod for pod in observed.pods if pod.owner.uid in known]


def _task(observed: ObservedRun, step: Step, indexes: int = 1) -> Task:
    owner = Owner.of(observed.invocation)
    name = owner.job_name(step.value)
    return task.find(observed, name, owner.uid, step, indexes=indexes, overdue=OVERDUE)


def _drive(
    observed: ObservedRun,
    decision: Decision[InvocationStatus],
    configuration: Configuration,
    step: Step,
    found: Task,
    now: datetime,
) -> State:
    """A step that is not done: make its Job, or see how it goes."""
    decision.again_in(LOOK_AGAIN)
    attempt = task.attempt(found, observed, now)
    if attempt.look_in is not None:
        decision.again_in(attempt.look_in)
    if attempt.phase is not Phase.MISSING:
        state = _watch(step, attempt)
    elif unknown := unknown_features(configuration):
        decision.status.starting_since = None
        return _held(f"requires what is not known here: {unknown}")
    else:
        state = _begin(observed, decision, configuration, step, now)
    return _in_time(decision, configuration, found, state, now)


def _begin(
    observed: ObservedRun,
    decision: Decision[InvocationStatus],
    configuration: Configuration,
    step: Step,
    now: datetime,
) -> State:
    owner, fixed = Owner.of(observed.invocation), decision.status.configuration
    if step is Step.FINISH and fixed is not None:
        fixed = {**fixed, "seals": counts.seals(decision.status, configuration.shards)}
    job = jobs.step_job(owner, step, configuration, observed.installation, fixed)
    rejection = task.rejection(observed, job.manifest["metadata"]["name"])
    if rejection is not None and rejection.final:
        failure = starting.refused(rejection)
        message = f"{failure.message} Change spec.jobTemplate of the Source and run again."
        return conditions.failed(failure.reason, message)
    decision.actions.append(job)
    before = starting.refused(rejection) if rejection is not None else _refused_before(observed)
    if before is not None:
        return conditions.unfinished(before.reason, before.message)
    decision.status.starting_since = timestamp(now)
    return conditions.unfinished(Reason.PROCESSING, DOING[step])


def _refused_before(observed: ObservedRun) -> JobFailure | None:
    """What the status tells of the API server's no to the Job that is to be made, so that neither
    it nor its time is lost with an operator that restarts. None where it tells of none: a Job that
    was made since then was an earlier step's, and so was the no."""
    status = observed.invocation.status
    before = find(status.conditions, SUCCEEDED)
    if before is None or before.reason != Reason.JOB_REFUSED or status.starting_since is None:
        return None
    since = moment(status.starting_since)
    if any(job.created > since for job in observed.jobs):
        return None
    return JobFailure(Reason.JOB_REFUSED, before.message)


def _watch(step: Step, attempt: Attempt) -> State:
    if attempt.phase is Phase.DELETING:
        message = "The Job of the run was deleted. It is made again when its last pod is gone."
        return conditions.unfinished(Reason.PROCESSING, message)
    if attempt.phase is Phase.QUEUED:
        return conditions.unfinished(Reason.QUEUED, attempt.held)
    if attempt.failure is None:
        return conditions.unfinished(Reason.PROCESSING, DOING[step])
    if attempt.phase is Phase.FAILED:
        return conditions.failed(attempt.failure.reason, attempt.failure.message)
    return conditions.unfinished(attempt.failure.reason, attempt.failure.message)


def _in_time(
    decision: Decision[InvocationStatus],
    configuration: Configuration,
    found: Task,
    state: State,
    now: datetime,
) -> State:
    """A step that can't start ends after `startTimeoutSeconds`, for the reason that keeps it."""
    status, limit = decision.status, configuration.job_template.start_timeout_seconds
    at_work = any(pod.phase == "Running" for pod in found.latest.values())
    if at_work or state.status != "Unknown" or state.reason is Reason.QUEUED:
        status.starting_since = None
        return state
    status.starting_since = status.starting_since or timestamp(now)
    due = moment(status.starting_since) + starting.timeout(found.latest.values(), limit)
    if now < due:
        decision.again_in((due - now).total_seconds())
        return state
    decision.actions = [a for a in decision.actions if not isinstance(a, CreateJob)]
    calm = state.reason is Reason.PROCESSING
    reason = Reason.POD_FAILED if calm else state.reason
    why = "No pod of the run's Job has started." if calm else state.message
    since = status.starting_since
    return conditions.failed(
        reason,
        f"{why} The run waited for it since {since}, longer than "
        "spec.jobTemplate.startTimeoutSeconds of its Source allows.",
    )


def _completed(status: InvocationStatus) -> State:
    documents = status.documents
    written = f"{status.chunks.written} chunks written."
    done = f"{documents.indexed} documents indexed, {documents.unchanged} unchanged"
    if documents.failed or documents.kept:
        not_indexed = f"{documents.failed} failed, {documents.kept} kept as they stood"
        return conditions.complete(
            Reason.COMPLETE_WITH_FAILURES, f"{done}, {not_indexed}; {written}"
        )
    return conditions.complete(Reason.COMPLETE, f"{done}; {written}")
