"""The Jobs of a run that has begun: `run` alone, or `plan`, `work` and `finish`.

Nothing but the Jobs, their pods and the status says how far a run is: so a restarted operator goes
on where the last one stopped. All Jobs of a run stay until it has ended, for they say which steps
are done, even when their pods are gone with their node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import Invocation, InvocationStatus
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import Source
from chroma_sync.reconcile import conditions, counts, jobs, pods, starting
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, JobState, PodState, moment
from chroma_sync.reconcile.plan import CreateJob, Plan, Refusal

# Each change of a Job, a pod or the counts wakes the operator: this is for news that got lost.
LOOK_AGAIN: Final = 30.0
NEXT: Final = {Step.PLAN: Step.WORK, Step.WORK: Step.FINISH}
DOING: Final = {
    Step.RUN: "The run is going.",
    Step.PLAN: "The revision is resolved and the collection claimed.",
    Step.WORK: "The documents are being indexed.",
    Step.FINISH: "The collection is being finished.",
}


@dataclass(frozen=True)
class Seen:
    """All that a pass over an Invocation looks at. Jobs and pods are its own only. `progress` is
    what pods told last, by their uid. `refused`: the last Job that the API server did not take.
    `no_pods`: why a Job has no pod, as its controller told last, by the Job's name. `admitted`: its
    Source names it as its active run. `ahead` is the run before it in the queue, and `remains` what
    is still at work of one that is gone."""

    invocation: Invocation
    installation: Installation
    source: Source | None = None
    jobs: Sequence[JobState] = ()
    pods: Sequence[PodState] = ()
    progress: Mapping[str, Result] = field(default_factory=dict)
    refused: Refusal | None = None
    no_pods: Mapping[str, str] = field(default_factory=dict)
    admitted: bool = False
    ahead: InvocationState | None = None
    remains: str = ""


@dataclass(frozen=True)
class _Look:
    """One step as it stands. `latest` is the newest pod of each index."""

    step: Step
    job: JobState | None
    latest: Mapping[int, PodState]
    done: bool


def store(status: InvocationStatus, configuration: Configuration) -> None:
    """Fix the configuration of a run in its status."""
    status.configuration = document(configuration)


def stored(status: InvocationStatus) -> Configuration | None:
    """The configuration of a run that has begun; None when this release can't read it."""
    try:
        return read(status.configuration)
    except NewerConfigurationError:
        return None


def is_complete(seen: Seen) -> bool:
    """Whether the last step has already reported success."""
    return any(_look(seen, step, shards=1).done for step in (Step.RUN, Step.FINISH))


def count(seen: Seen, status: InvocationStatus, now: datetime) -> None:
    """Bring the counts up to date."""
    before = status.model_copy(deep=True)
    counts.show(status, _own(seen), seen.progress)
    status.attempts = sum(max(0, j.failed - (j.failure is not None)) for j in seen.jobs)
    if status != before:
        status.updated_at = timestamp(now)


def advance(seen: Seen, plan: Plan[InvocationStatus], now: datetime) -> State:
    """Bring a run that has begun one step further. Returns the state that it is in."""
    if is_complete(seen):
        return _completed(plan.status)
    configuration = stored(plan.status)
    if configuration is None:
        return _held("can't be read here")
    for step in _steps(configuration):
        shards = configuration.job_template.parallelism if step is Step.WORK else 1
        look = _look(seen, step, shards)
        if not look.done:
            return _drive(seen, plan, configuration, look, now)
    return _completed(plan.status)


def _held(why: str) -> State:
    """A run that a newer release began. What goes of it is left alone."""
    message = (
        f"A newer release of the operator began this run, and its configuration {why}. Pods that "
        "run go on, no new ones are started. Upgrade the operator, or cancel the run."
    )
    return conditions.held(Reason.NEWER_RELEASE, message)


def _steps(configuration: Configuration) -> tuple[Step, ...]:
    if configuration.job_template.parallelism == 1:
        return (Step.RUN,)
    return (Step.PLAN, Step.WORK, Step.FINISH)


def _own(seen: Seen) -> list[PodState]:
    """The pods that Jobs of this run made."""
    known = {job.uid for job in seen.jobs}
    return [pod for pod in seen.pods if pod.job_uid in known]


def _look(seen: Seen, step: Step, shards: int) -> _Look:
    metadata = seen.invocation.metadata
    name = jobs.step_job_name(metadata.name, metadata.uid or "", step)
    job = next((j for j in seen.jobs if j.name == name), None)
    latest = pods.latest((p for p in seen.pods if p.job_uid == job.uid), step) if job else {}
    all_well = all(i in latest and pods.succeeded(latest[i]) for i in range(shards))
    done = job is not None and (job.complete or all_well)
    if not done and step in NEXT:
        # The next step was only ever begun after this one.
        done = _look(seen, NEXT[step], shards=1).job is not None
    return _Look(step, job, latest, done)


def _drive(
    seen: Seen,
    plan: Plan[InvocationStatus],
    configuration: Configuration,
    look: _Look,
    now: datetime,
) -> State:
    """A step that is not done: make its Job, or see how it goes."""
    plan.again_in(LOOK_AGAIN)
    if look.job is None:
        unknown = unknown_features(configuration)
        if unknown:
            plan.status.starting_since = None
            return _held(f"requires what is not known here: {unknown}")
        state = _begin(seen, plan, configuration, look.step, now)
    else:
        state = _watch(seen, plan, look, look.job, now)
    return _in_time(plan, configuration, look, state, now)


def _begin(
    seen: Seen,
    plan: Plan[InvocationStatus],
    configuration: Configuration,
    step: Step,
    now: datetime,
) -> State:
    owner, fixed = _owner(seen.invocation), plan.status.configuration
    manifest = jobs.step_job(owner, step, configuration, seen.installation, fixed)
    refusal = seen.refused
    if refusal is None or refusal.job != manifest["metadata"]["name"]:
        plan.actions.append(CreateJob(manifest))
        before = _refused_before(seen)
        if before is not None:
            return conditions.unfinished(Reason.JOB_REFUSED, before)
        plan.status.starting_since = timestamp(now)
        return conditions.unfinished(Reason.PROCESSING, DOING[step])
    trouble = starting.refused(refusal)
    if refusal.final:
        message = f"{trouble.message} Change spec.jobTemplate of the Source and run again."
        return conditions.failed(trouble.reason, message)
    plan.actions.append(CreateJob(manifest))
    return conditions.unfinished(trouble.reason, trouble.message)


def _refused_before(seen: Seen) -> str | None:
    """What the status tells of the API server's no to the Job that is to be made, so that neither
    it nor its time is lost with an operator that restarts. None where it tells of none: a Job that
    was made since then was an earlier step's, and so was the no."""
    status = seen.invocation.status
    told = find(status.conditions, SUCCEEDED)
    if told is None or told.reason != Reason.JOB_REFUSED or status.starting_since is None:
        return None
    since = moment(status.starting_since)
    return told.message if all(job.created <= since for job in seen.jobs) else None


def _watch(
    seen: Seen, plan: Plan[InvocationStatus], look: _Look, job: JobState, now: datetime
) -> State:
    if job.deleting:
        message = "The Job of the run was deleted. It is made again when its last pod is gone."
        return conditions.unfinished(Reason.PROCESSING, message)
    if job.failure is not None:
        trouble = pods.failure(job, seen.pods)
        return conditions.failed(trouble.reason, trouble.message)
    newest = [look.latest[i] for i in sorted(look.latest)]
    held = starting.held(job, newest)
    if held:
        return conditions.unfinished(Reason.QUEUED, held)
    alone = (now - job.created).total_seconds()
    if not newest and alone < starting.NO_POD_SECONDS:
        plan.again_in(starting.NO_POD_SECONDS - alone)
    keeps = _trouble(seen, newest, job, now)
    if keeps is None:
        return conditions.unfinished(Reason.PROCESSING, DOING[look.step])
    return conditions.unfinished(keeps.reason, keeps.message)


def _trouble(
    seen: Seen, newest: Sequence[PodState], job: JobState, now: datetime
) -> pods.Trouble | None:
    """What keeps a step: what Kubernetes says of its pods, else what the workers say themselves."""
    unmade = starting.no_pod(job, newest, seen.no_pods, now)
    of_pods = [t for pod in newest if (t := pods.trouble(pod))]
    told = [seen.progress[p.uid] for p in newest if p.uid in seen.progress and not p.terminated]
    of_workers = [pods.Trouble(pods.known(r.reason), r.message) for r in told if r.reason]
    return unmade or next(iter([*of_pods, *of_workers]), None)


def _in_time(
    plan: Plan[InvocationStatus],
    configuration: Configuration,
    look: _Look,
    state: State,
    now: datetime,
) -> State:
    """A step that can't start ends after `startTimeoutSeconds`, for the reason that keeps it."""
    status, limit = plan.status, configuration.job_template.start_timeout_seconds
    at_work = any(pod.phase == "Running" for pod in look.latest.values())
    if at_work or state.status != "Unknown" or state.reason is Reason.QUEUED:
        status.starting_since = None
        return state
    status.starting_since = status.starting_since or timestamp(now)
    due = moment(status.starting_since) + starting.timeout(look.latest.values(), limit)
    if now < due:
        plan.again_in((due - now).total_seconds())
        return state
    plan.actions = [a for a in plan.actions if not isinstance(a, CreateJob)]
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
    told = f"{documents.indexed} documents indexed, {documents.unchanged} unchanged"
    if documents.failed or documents.kept:
        not_indexed = f"{documents.failed} failed, {documents.kept} kept as they stood"
        return conditions.complete(
            Reason.COMPLETE_WITH_FAILURES, f"{told}, {not_indexed}; {written}"
        )
    return conditions.complete(Reason.COMPLETE, f"{told}; {written}")


def _owner(invocation: Invocation) -> jobs.Owner:
    metadata = invocation.metadata
    return jobs.Owner(
        kind="Invocation",
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid or "",
        source=invocation.spec.source_ref.name,
    )
