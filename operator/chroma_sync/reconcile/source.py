"""One pass over a Source: its check, and which of its Invocations may run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from chroma_sync.api.conditions import READY, STALLED, find, timestamp
from chroma_sync.api.configuration import Configuration, ModelNotServedError, resolve
from chroma_sync.api.contract import Step
from chroma_sync.api.meta import REQUESTED_AT
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import CheckStatus, FinishedCollection, Source, SourceStatus
from chroma_sync.api.supported import not_implemented
from chroma_sync.reconcile import admission, conditions, jobs, pods, starting
from chroma_sync.reconcile.allowed import not_allowed
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, JobState, PodState, moment
from chroma_sync.reconcile.plan import CreateJob, DeleteJob, Plan, Refusal, TryJob

RETRY_FIRST: Final = 10.0
RETRY_LAST: Final = 300.0
# Each change of a check's Job and pod wakes the operator: this is for news that got lost.
LOOK_AGAIN: Final = 30.0
# What a run reads of a repository, which a check does not.
NOT_CHECKED: Final = (
    "include_globs",
    "exclude_globs",
    "max_file_size_bytes",
    "include_generated",
    "include_vendored",
)
REQUESTED_AT_MAX: Final = 256
Manifest = dict[str, Any]
CHECKING: Final = "The Source is being checked."
# A run that fails for one of these tells of the Source, and so of the runs after it.
SOURCE_REASONS: Final = frozenset(
    {
        Reason.MODEL_NOT_SERVED,
        Reason.SPARSE_NOT_SUPPORTED,
        Reason.DATABASE_NOT_FOUND,
        Reason.REPOSITORY_NOT_FOUND,
        Reason.REPOSITORY_MOVED,
        Reason.SECRET_NOT_FOUND,
        Reason.CREDENTIALS_REJECTED,
        Reason.SERVICE_ACCOUNT_TOKEN,
        Reason.PERMISSION_MISSING,
        Reason.SSO_REQUIRED,
        Reason.APP_NOT_INSTALLED,
        Reason.APP_SUSPENDED,
        Reason.APP_KEY_INVALID,
        Reason.CLOCK_SKEW,
        Reason.CERTIFICATE_NOT_TRUSTED,
        Reason.RATE_LIMITED,
        Reason.CHROMA_UNAVAILABLE,
        Reason.EMBEDDING_UNAVAILABLE,
        Reason.HOST_UNREACHABLE,
        Reason.JOB_REFUSED,
        Reason.POD_REFUSED,
        Reason.IMAGE_PULL_FAILED,
        Reason.UNSCHEDULABLE,
    }
)


@dataclass(frozen=True)
class Seen:
    """All that a pass over a Source looks at. Jobs and pods are those of its checks and its runs,
    those of deleted Invocations too. `refused`: the last Job that the API server did not take.
    `no_pods`: why a Job has no pod, as its controller told last, by the Job's name."""

    source: Source
    installation: Installation
    invocations: Sequence[InvocationState] = ()
    jobs: Sequence[JobState] = ()
    pods: Sequence[PodState] = ()
    refused: Refusal | None = None
    no_pods: Mapping[str, str] = field(default_factory=dict)


def reconcile(seen: Seen, now: datetime) -> Plan[SourceStatus]:
    """Decide the check, then what the end of a run says of the Source, then admission."""
    source = seen.source
    plan = Plan(source.status.model_copy(deep=True))
    deleting = source.metadata.deletion_timestamp is not None
    state = _wind_up(seen, plan) if deleting else _check(seen, plan, now)
    state = _learn(seen, plan, state, now)
    generation, status = source.metadata.generation, plan.status
    plan.events += conditions.event(status.conditions, state)
    status.conditions = conditions.apply(status.conditions, state, generation, now)
    status.observed_generation = generation
    startable = state.status == "True" and not source.spec.suspend
    admission.admit(plan, seen.invocations, seen.jobs, seen.pods, startable=startable)
    return plan


def needs_all_pods(before: SourceStatus, after: SourceStatus) -> bool:
    """Whether what was decided stands on pods that are not there, or that left no result: that the
    next run may begin, or that a check failed. No watch is sure of that."""
    admitted = after.active_invocation not in (None, before.active_invocation)
    failures = before.check.attempts if before.check else 0
    return admitted or (after.check is not None and after.check.attempts > failures)


def digest_of(configuration: Configuration) -> str:
    """A hash of what a check depends on: the servers, how the repository is reached, and what the
    API server may refuse of a run's Job. A new field of these counts, until it is left out here."""
    template = configuration.job_template
    depends = {
        "servers": configuration.model_dump(
            mode="json", include={"database": True, "chroma": True, "embedding": True}
        ),
        "github": configuration.github.model_dump(mode="json", exclude=set(NOT_CHECKED)),
        "job": template.model_dump(
            mode="json", include={"resources", "service_account_name", "image_pull_secrets"}
        ),
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]


def backoff(attempts: int) -> float:
    """Seconds from the failed check number `attempts` to the next one."""
    return min(RETRY_FIRST * 2.0 ** min(attempts - 1, 10), RETRY_LAST)


def _wind_up(seen: Seen, plan: Plan[SourceStatus]) -> State:
    """A Source that is being deleted, which a finalizer of others may hold up for ever."""
    plan.status.check = None
    _delete_checks(seen, plan, keep=None)
    return conditions.retrying(Reason.TERMINATING, "The Source is being deleted.")


def _check(seen: Seen, plan: Plan[SourceStatus], now: datetime) -> State:
    """Bring the check one step further. Returns the state that the Source is in."""
    source, status = seen.source, plan.status
    asked = _asked_for_check(source, status)
    if asked:
        status.last_handled_requested_at = asked
    configuration = _configuration(source, seen.installation)
    if isinstance(configuration, State):
        status.check = None
        _delete_checks(seen, plan, keep=None)
        return configuration
    check = status.check
    new_spec = status.observed_generation != source.metadata.generation
    state = _current(source)
    digest = digest_of(configuration)
    other = check is None or check.digest != digest
    # Of a Source that failed, the check's pod may need what a check of a usable one does not.
    edited = new_spec and (state is None or state.status != "True")
    if state is None or check is None or other or edited or asked:
        check = status.check = CheckStatus(digest=digest)
        state = conditions.checking(CHECKING)
    if state.status == "True":
        _delete_checks(seen, plan, keep=None)
        return state
    return _advance(seen, plan, configuration, check, state, now)


def _advance(
    seen: Seen,
    plan: Plan[SourceStatus],
    configuration: Configuration,
    check: CheckStatus,
    state: State,
    now: datetime,
) -> State:
    """Make the check's Job when it is due, and read its outcome."""
    owner = _owner(seen.source)
    attempt = _attempt(seen, plan.status, check)
    manifest = jobs.check_job(owner, attempt, configuration, seen.installation)
    name = manifest["metadata"]["name"]
    job = next((j for j in seen.jobs if j.name == name and j.owner_uid == owner.uid), None)
    if job is None:
        first = _attempt(seen, plan.status, CheckStatus(digest=check.digest))
        # All checks of one spec ask for the same Job of a run.
        trial = jobs.trial_job(owner, first, configuration, seen.installation)
        return _begin(seen, plan, (trial, manifest), check, state, now)
    _delete_checks(seen, plan, keep=name)
    plan.again_in(LOOK_AGAIN)
    if job.deleting:
        return state
    pod = pods.latest((p for p in seen.pods if p.job_uid == job.uid), Step.CHECK).get(0)
    if job.complete or (pod is not None and pods.succeeded(pod)):
        plan.actions.append(DeleteJob(job.name, job.uid))
        plan.status.check = CheckStatus(digest=check.digest)
        return conditions.available("The check found the repository, the database and the model.")
    if job.failure is not None or (pod is not None and pod.terminated is not None):
        # The Job stays until the next one is made: people want to look at its pod and its log.
        trouble = _why_failed(job, pod, state)
        attempts = check.attempts + 1
        wait = max(backoff(attempts), _asked_to_wait(pod))
        due = now + timedelta(seconds=wait)
        plan.status.check = CheckStatus(
            attempts=attempts, next_attempt_time=timestamp(due), digest=check.digest
        )
        plan.again_in(wait)
        return conditions.retrying(trouble.reason, trouble.message)
    return _going(seen, plan, job, pod, state, now)


def _going(
    seen: Seen,
    plan: Plan[SourceStatus],
    job: JobState,
    pod: PodState | None,
    state: State,
    now: datetime,
) -> State:
    """A check whose Job is there and has not ended."""
    own = [pod] if pod is not None else []
    held = starting.held(job, own)
    if held:
        return State(READY, "Unknown", Reason.QUEUED, held, reconciling=True)
    alone = (now - job.created).total_seconds()
    if pod is None and alone < starting.NO_POD_SECONDS:
        plan.again_in(starting.NO_POD_SECONDS - alone)
    keeps = starting.no_pod(job, own, seen.no_pods, now) or (pods.trouble(pod) if pod else None)
    if keeps is not None:
        return conditions.retrying(keeps.reason, keeps.message)
    # What kept the first check has passed; of a repeated one, the last failure still stands.
    first = plan.status.check is None or plan.status.check.attempts == 0
    return conditions.checking(CHECKING) if first or state.status != "False" else state


def _begin(
    seen: Seen,
    plan: Plan[SourceStatus],
    manifests: tuple[Manifest, Manifest],
    check: CheckStatus,
    state: State,
    now: datetime,
) -> State:
    """Make the check's Job when it is due, once the API server would take the Job of a run."""
    wait = (moment(check.next_attempt_time) - now).total_seconds()
    if wait > 0:
        plan.again_in(wait)
        return state
    trial, manifest = manifests
    _delete_checks(seen, plan, keep=manifest["metadata"]["name"])
    refusal = seen.refused
    known = refusal is not None and refusal.job in {m["metadata"]["name"] for m in manifests}
    if refusal is not None and known and refusal.final:
        plan.status.check = None
        trouble = starting.refused(refusal)
        message = f"{trouble.message} Change spec.jobTemplate, or what the installation sets."
        return conditions.source_stalled(trouble.reason, message)
    plan.actions += [TryJob(trial), CreateJob(manifest)]
    plan.again_in(LOOK_AGAIN)
    if refusal is not None and known:
        trouble = starting.refused(refusal)
        return conditions.retrying(trouble.reason, trouble.message)
    return state


def _why_failed(job: JobState, pod: PodState | None, state: State) -> pods.Trouble:
    """Why a check failed. Of a check that ran out of time, what kept it until then is the cause."""
    if job.failure is not None and job.failure[0] == "DeadlineExceeded":
        if state.status == "False":
            return pods.Trouble(state.reason, state.message)
        message = f"The check did not end within {jobs.CHECK_DEADLINE_SECONDS} s."
        return pods.Trouble(Reason.DEADLINE_EXCEEDED, message)
    return pods.failure(job, [pod] if pod is not None else [])


def _asked_to_wait(pod: PodState | None) -> float:
    """For how many seconds a host that the check met asks to be left alone."""
    result = pods.result_of(pod) if pod is not None else None
    return float(result.retry_after_seconds) if result is not None else 0.0


def _learn(seen: Seen, plan: Plan[SourceStatus], state: State, now: datetime) -> State:
    """What the end of the active run says of the Source. It is looked at once: admission takes the
    run from `activeInvocation` in this same pass."""
    status, active = plan.status, plan.status.active_invocation
    ended = next(
        (i for i in seen.invocations if active and i.uid == active.uid and i.finished), None
    )
    if ended is None:
        return state
    if ended.succeeded == "True":
        status.last_finished_collection = FinishedCollection(
            name=ended.collection, revision=ended.revision or None
        )
    elif ended.reason in SOURCE_REASONS and state.status == "True":
        digest = status.check.digest if status.check is not None else None
        status.check = CheckStatus(attempts=1, next_attempt_time=timestamp(now), digest=digest)
        plan.again_in(0.0)
        message = f"Run {ended.name} failed: {ended.message}"
        return conditions.retrying(Reason(ended.reason), message)
    return state


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


def _attempt(seen: Seen, status: SourceStatus, check: CheckStatus) -> str:
    """What tells a check from the others of the same Source: its Job's name comes of it, so that a
    restarted operator finds the Job again. With another worker's image it is another check: the pod
    of the old one may never come to run."""
    requested = status.last_handled_requested_at or ""
    generation, image = seen.source.metadata.generation, seen.installation.worker_image
    return f"check/{generation}/{check.attempts}/{requested}/{image}/{check.digest}"


def _delete_checks(seen: Seen, plan: Plan[SourceStatus], *, keep: str | None) -> None:
    for job in seen.jobs:
        own = job.owner_uid == seen.source.metadata.uid
        if own and job.name != keep and not job.deleting:
            plan.actions.append(DeleteJob(job.name, job.uid))


def _owner(source: Source) -> jobs.Owner:
    metadata = source.metadata
    return jobs.Owner(
        kind="Source",
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid or "",
        source=metadata.name,
    )
