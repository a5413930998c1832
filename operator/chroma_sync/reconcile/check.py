"""The check of a Source: whether it can be used, as a task that is repeated until it succeeds.

Before its Job is made the API server is asked whether it would take the Job of a run, so that the
Source says first what would keep its runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chroma_sync.api.conditions import READY, STALLED, find, timestamp
from chroma_sync.api.configuration import Configuration, ModelNotServedError, resolve
from chroma_sync.api.contract import Step
from chroma_sync.api.meta import REQUESTED_AT
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import CheckStatus, Source, SourceStatus
from chroma_sync.api.supported import not_implemented
from chroma_sync.reconcile import conditions, jobs, pods, starting, task
from chroma_sync.reconcile.allowed import not_allowed
from chroma_sync.reconcile.backoff import Backoff
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.decision import Decision
from chroma_sync.reconcile.inputs import ObservedSource, Workload
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import JobState
from chroma_sync.reconcile.owners import Owner
from chroma_sync.reconcile.pods import JobFailure
from chroma_sync.reconcile.task import Phase, Task

RETRIES: Final = Backoff(first=10.0, last=300.0)
# Each change of a check's Job and pod wakes the operator: this is for news that got lost.
LOOK_AGAIN: Final = 30.0
REQUESTED_AT_MAX: Final = 256
CHECKING: Final = "The Source is being checked."
PASSED: Final = "The check found the place of the documents, the database and the model."
OVERDUE: Final = f"The check did not end within {jobs.CHECK_DEADLINE_SECONDS} s."


@dataclass(frozen=True)
class _Check:
    """One check, as it is to be advanced: `state` is that of the Source until the check says
    another."""

    configuration: Configuration
    status: CheckStatus
    state: State


def advance(observed: ObservedSource, decision: Decision[SourceStatus], now: datetime) -> State:
    """Bring the check one step further. Returns the state that the Source is in."""
    source, status = observed.source, decision.status
    asked = _asked_for_check(source, status)
    if asked:
        status.last_handled_requested_at = asked
    configuration = _configuration(source, observed.installation)
    if isinstance(configuration, State):
        drop(observed, decision)
        return configuration
    check, state = status.check, _current(source)
    digest = digest_of(configuration)
    other = check is None or check.digest != digest
    # Of a Source that failed, the check's pod may need what a check of a usable one does not.
    new_spec = status.observed_generation != source.metadata.generation
    edited = new_spec and (state is None or state.status != "True")
    if state is None or check is None or other or edited or asked:
        check = status.check = CheckStatus(digest=digest)
        state = conditions.checking(CHECKING)
    if state.status == "True":
        _delete_jobs(observed, decision, keep=None)
        return state
    return _advance(observed, decision, _Check(configuration, check, state), now)


def drop(observed: ObservedSource, decision: Decision[SourceStatus]) -> None:
    """End the check, whatever it would come to."""
    decision.status.check = None
    _delete_jobs(observed, decision, keep=None)


def again(status: SourceStatus, now: datetime) -> None:
    """Have the Source checked right away, though its last check has passed."""
    digest = status.check.digest if status.check is not None else None
    status.check = CheckStatus(attempts=1, next_attempt_time=timestamp(now), digest=digest)


def jobs_of(workload: Workload, source: Source) -> list[JobState]:
    """The Jobs of the Source's checks. It may have Jobs for other work."""
    uid = source.metadata.uid
    return [j for j in workload.jobs if j.owner.uid == uid and j.step is Step.CHECK]


def digest_of(configuration: Configuration) -> str:
    """A hash of what a check depends on: the servers, how the documents are reached, and what the
    API server may refuse of a run's Job. A new field of these counts, until it is left out here."""
    template, origin = configuration.job_template, configuration.origin
    depends = {
        "servers": configuration.model_dump(
            mode="json", include={"database": True, "chroma": True, "embedding": True}
        ),
        origin.member: origin.model_dump(mode="json", exclude=set(origin.unchecked)),
        "job": template.model_dump(
            mode="json", include={"resources", "service_account_name", "image_pull_secrets"}
        ),
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]


def _advance(
    observed: ObservedSource, decision: Decision[SourceStatus], check: _Check, now: datetime
) -> State:
    """Make the check's Job when it is due, and read its outcome."""
    owner = Owner.of(observed.source)
    name = owner.job_name(_attempt(observed, decision.status, check.status))
    found = task.find(observed, name, owner.uid, Step.CHECK, retried=False, overdue=OVERDUE)
    attempt = task.attempt(found, observed, now)
    if attempt.phase is Phase.MISSING:
        return _begin(observed, decision, check, now)
    _delete_jobs(observed, decision, keep=name)
    decision.again_in(LOOK_AGAIN)
    if attempt.look_in is not None:
        decision.again_in(attempt.look_in)
    if attempt.phase is Phase.DELETING:
        return check.state
    if attempt.phase is Phase.QUEUED:
        return State(READY, "Unknown", Reason.QUEUED, attempt.held, reconciling=True)
    if attempt.phase is Phase.DONE and found.job is not None:
        decision.actions.append(jobs.delete_job(found.job))
        decision.status.check = CheckStatus(digest=check.status.digest)
        return conditions.available(PASSED)
    if attempt.phase is Phase.FAILED and attempt.failure is not None:
        return _failed(decision, check, found, attempt.failure, now)
    if attempt.failure is not None:
        return conditions.retrying(attempt.failure.reason, attempt.failure.message)
    # What kept the first check has passed; of a repeated one, the last failure still stands.
    first = check.status.attempts == 0
    return conditions.checking(CHECKING) if first or check.state.status != "False" else check.state


def _begin(
    observed: ObservedSource, decision: Decision[SourceStatus], check: _Check, now: datetime
) -> State:
    """Make the check's Job when it is due, once the API server would take the Job of a run."""
    wait = task.due_in(check.status, now)
    if wait > 0:
        decision.again_in(wait)
        return check.state
    owner, to = Owner.of(observed.source), observed.installation
    configuration = check.configuration
    first = _attempt(observed, decision.status, CheckStatus(digest=check.status.digest))
    # All checks of one spec ask for the same Job of a run.
    trial = jobs.trial_job(owner, first, configuration, to)
    attempt = _attempt(observed, decision.status, check.status)
    job = jobs.check_job(owner, attempt, configuration, to)
    names = [action.manifest["metadata"]["name"] for action in (trial, job)]
    _delete_jobs(observed, decision, keep=names[1])
    rejection = task.rejection(observed, *names)
    failure = starting.refused(rejection) if rejection is not None else None
    if rejection is not None and failure is not None and rejection.final:
        decision.status.check = None
        message = f"{failure.message} Change spec.jobTemplate, or what the installation sets."
        return conditions.source_stalled(failure.reason, message)
    decision.actions += [trial, job]
    decision.again_in(LOOK_AGAIN)
    if failure is not None:
        return conditions.retrying(failure.reason, failure.message)
    return check.state


def _failed(
    decision: Decision[SourceStatus], check: _Check, found: Task, failure: JobFailure, now: datetime
) -> State:
    """Plan the next check. The Job stays until then: people want to look at its pod and its log."""
    decision.status.check = task.after_failure(check.status, found, RETRIES, now)
    decision.again_in(task.due_in(decision.status.check, now))
    if failure.reason is Reason.DEADLINE_EXCEEDED and check.state.status == "False":
        # What kept it until it ran out of time is the cause.
        return conditions.retrying(check.state.reason, check.state.message)
    return conditions.retrying(failure.reason, failure.message)


def _configuration(source: Source, installation: Installation) -> Configuration | State:
    """What a check needs to know, or the state of a Source that can't be served as it stands."""
    if source.not_understood:
        return conditions.source_stalled(Reason.INVALID_SPEC, source.not_understood)
    fields = not_implemented(source.spec)
    if fields:
        message = f"{', '.join(fields)}: no code serves this yet. Leave it out."
        return conditions.source_stalled(Reason.NOT_IMPLEMENTED, message)
    refusal = not_allowed(source.spec, installation)
    if refusal:
        return conditions.source_stalled(Reason.NOT_ALLOWED, refusal)
    try:
        return resolve(source, installation, None)
    except ModelNotServedError as error:
        return conditions.source_stalled(Reason.MODEL_NOT_SERVED, str(error))


def _current(source: Source) -> State | None:
    """The state that the last check left; None when there is none."""
    ready = find(source.status.conditions, READY)
    if ready is None or find(source.status.conditions, STALLED) is not None:
        return None
    return State(
        READY,
        ready.status,
        pods.known(ready.reason),
        ready.message,
        reconciling=ready.status != "True",
    )


def _asked_for_check(source: Source, status: SourceStatus) -> str:
    """The value of the annotation that asks for a new check, if it is a new value."""
    value = source.metadata.annotations.get(REQUESTED_AT, "")[:REQUESTED_AT_MAX]
    return value if value != (status.last_handled_requested_at or "") else ""


def _attempt(observed: ObservedSource, status: SourceStatus, check: CheckStatus) -> str:
    """What tells a check from the others of the same Source: its Job's name comes of it, so that a
    restarted operator finds the Job again. With another worker's image it is another check: the pod
    of the old one may never come to run."""
    requested = status.last_handled_requested_at or ""
    generation, image = observed.source.metadata.generation, observed.installation.worker_image
    return f"check/{generation}/{check.attempts}/{requested}/{image}/{check.digest}"


def _delete_jobs(
    observed: ObservedSource, decision: Decision[SourceStatus], *, keep: str | None
) -> None:
    for job in jobs_of(observed, observed.source):
        if job.name != keep and not job.deleting:
            decision.actions.append(jobs.delete_job(job))
