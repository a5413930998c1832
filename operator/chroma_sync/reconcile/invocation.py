"""One pass over an Invocation: small steps in order; the first that knows the state decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chroma_sync.api.conditions import READY, SUCCEEDED, find, timestamp
from chroma_sync.api.configuration import ModelNotServedError, resolve
from chroma_sync.api.invocation import InvocationStatus
from chroma_sync.api.kinds.origin import origin_of
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import ActiveInvocation, Source
from chroma_sync.api.supported import invalid_for_source, not_implemented
from chroma_sync.reconcile import conditions, counts, jobs, run
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.decision import Decision, Delete
from chroma_sync.reconcile.inputs import ObservedRun
from chroma_sync.reconcile.observed import moment

# While the pods of a cancelled run end, which is a matter of seconds.
CANCEL_LOOK_AGAIN: Final = 0.5
TTL_LOOK_AGAIN: Final = 1.0
WAITING: Final = frozenset(
    {Reason.SOURCE_NOT_FOUND, Reason.SUSPENDED, Reason.SOURCE_NOT_READY, Reason.PENDING}
)

_Step = Callable[[ObservedRun, Decision[InvocationStatus], datetime], State | None]


def reconcile(observed: ObservedRun, now: datetime) -> Decision[InvocationStatus]:
    """Decide what an Invocation's status is, and what to do next."""
    invocation = observed.invocation
    # A pass replaces what stands in a status and never alters it. A whole copy of the configuration
    # would be most of what a pass costs.
    decision = Decision(invocation.status.model_copy())
    generation, status = invocation.metadata.generation, decision.status
    status.observed_generation = generation
    if is_finished(status):
        status.conditions = conditions.observed_at(status.conditions, generation)
        _clear_up(observed, decision, now)
        return decision
    if status.start_time is not None:
        run.count(observed, status, now)
    state = next(s for step in _STEPS if (s := step(observed, decision, now)) is not None)
    state = _with_time(status, state, now)
    decision.events += conditions.event(status.conditions, state)
    status.conditions = conditions.apply(status.conditions, state, generation, now)
    if state.status != "Unknown":
        status.completion_time = timestamp(now)
        status.starting_since = None
        _clear_up(observed, decision, now)
    early = counts.hold_back(invocation.status, status, now)
    if early:
        decision.status = invocation.status.model_copy()
        decision.again_in(early)
    return decision


def is_finished(status: InvocationStatus) -> bool:
    """Whether the run has ended, for ever."""
    succeeded = find(status.conditions, SUCCEEDED)
    return succeeded is not None and succeeded.status != "Unknown"


def _cancel(
    observed: ObservedRun, decision: Decision[InvocationStatus], now: datetime
) -> State | None:
    """Stop on request, or when the object is being deleted, which a finalizer of others may hold up
    for ever. Not when the run has already done all it should: success beats a cancel."""
    deleting = observed.invocation.metadata.deletion_timestamp is not None
    if not observed.invocation.spec.cancel and not deleting:
        return None
    why = "The Invocation is being deleted: the run" if deleting else "The run"
    if decision.status.start_time is None:
        return conditions.cancelled(f"{why} was cancelled before it began.")
    if run.is_complete(observed):
        return None
    decision.actions += [jobs.delete_job(j) for j in observed.jobs if not j.deleting]
    if observed.jobs or any(not pod.ended for pod in observed.pods):
        decision.again_in(CANCEL_LOOK_AGAIN)
        message = f"{why} is being cancelled; its pods are ending."
        return conditions.unfinished(Reason.PROCESSING, message)
    return conditions.cancelled(f"{why} was cancelled. {_left_behind(observed.source)}")


def _left_behind(source: Source | None) -> str:
    if source is not None and origin_of(source.spec).shares_collection:
        return "What it has written by then stays; apply another Invocation to bring in the rest."
    return (
        "Its collection is not finished, unless the cancel came at the very end: then its metadata "
        "say finished_ingest."
    )


def _hold(
    observed: ObservedRun, decision: Decision[InvocationStatus], now: datetime
) -> State | None:
    """What this release does not understand may be good for another one, so that this is no end. A
    run that goes is another matter: its configuration is fixed."""
    if decision.status.start_time is not None or not observed.invocation.not_understood:
        return None
    return conditions.held(Reason.INVALID_SPEC, observed.invocation.not_understood)


def _refuse(
    observed: ObservedRun, decision: Decision[InvocationStatus], now: datetime
) -> State | None:
    """What can't run as it is written. Its spec can't be changed, so that this is the end."""
    if decision.status.start_time is not None:
        return None
    spec, source = observed.invocation.spec, observed.source
    fields = not_implemented(spec)
    if fields:
        message = f"{', '.join(fields)}: no code serves this yet. Leave it out."
        return conditions.failed(Reason.NOT_IMPLEMENTED, message)
    if source is None or source.not_understood:
        return None
    problem = invalid_for_source(source.spec, spec)
    return conditions.failed(Reason.INVALID_FOR_SOURCE, problem) if problem else None


def _wait(
    observed: ObservedRun, decision: Decision[InvocationStatus], now: datetime
) -> State | None:
    """Wait for the Source and for the runs in front; then fix the configuration and begin."""
    if decision.status.start_time is not None:
        return None
    source, name = observed.source, observed.invocation.spec.source_ref.name
    if source is None:
        message = f"No Source {name!r} in this namespace. The run starts when there is one."
        return conditions.unfinished(Reason.SOURCE_NOT_FOUND, message)
    if source.spec.suspend:
        message = f"Source {name} is suspended. The run starts when spec.suspend is false."
        return conditions.unfinished(Reason.SUSPENDED, message)
    why_not = _why_not_ready(source)
    if why_not:
        message = f"Source {name} is not ready: {why_not}"
        return conditions.unfinished(Reason.SOURCE_NOT_READY, message)
    active = source.status.active_invocation
    if active is None or active.uid != observed.invocation.metadata.uid:
        return conditions.unfinished(Reason.PENDING, _whom_it_waits_for(observed, active, name))
    try:
        configuration = resolve(source, observed.installation, observed.invocation, now)
    except ModelNotServedError as error:
        return conditions.unfinished(Reason.SOURCE_NOT_READY, str(error))
    image = observed.installation.worker_image
    run.store(decision.status, configuration.model_copy(update={"worker_image": image}))
    decision.status.start_time = timestamp(now)
    return None


def _with_time(status: InvocationStatus, state: State, now: datetime) -> State:
    """Of a run that waits, since when it waits for this."""
    if state.reason not in WAITING or status.start_time is not None:
        status.waiting_since = None
        return state
    before = find(status.conditions, SUCCEEDED)
    if before is None or before.reason != state.reason or status.waiting_since is None:
        status.waiting_since = timestamp(now)
    return replace(state, message=f"{state.message} Waiting since {status.waiting_since}.")


def _whom_it_waits_for(observed: ObservedRun, active: ActiveInvocation | None, source: str) -> str:
    if observed.ahead is not None:
        since = timestamp(observed.ahead.created)
        return f"Invocation {observed.ahead.name} of Source {source} goes first, made at {since}."
    if active is not None:
        return f"Invocation {active.name} of Source {source} goes first."
    if observed.remains:
        return f"{observed.remains} is left of an earlier run of Source {source}. It ends first."
    return f"The run is the next one of Source {source}, which has not admitted it yet."


_STEPS: Final[tuple[_Step, ...]] = (_cancel, _hold, _refuse, _wait, run.advance)


def _why_not_ready(source: Source) -> str:
    """Empty when the Source is ready, as it stands now."""
    if source.not_understood:
        return f"{Reason.INVALID_SPEC}: {source.not_understood}"
    ready = find(source.status.conditions, READY)
    if ready is None or source.status.observed_generation != source.metadata.generation:
        return "it was not checked yet."
    if ready.status == "True":
        return ""
    return f"{ready.reason} since {ready.last_transition_time}: {ready.message}"


def _clear_up(observed: ObservedRun, decision: Decision[InvocationStatus], now: datetime) -> None:
    """After the end: the Jobs go, for their results are in the status. Those that failed go later,
    for people want to look at their pods and logs. Later the Invocation."""
    keep = timedelta(seconds=observed.installation.failed_jobs_ttl_seconds)
    left = (moment(decision.status.completion_time) + keep - now).total_seconds()
    for job in observed.jobs:
        if job.failure is not None and left > 0:
            decision.again_in(left)
        elif not job.deleting:
            decision.actions.append(jobs.delete_job(job))
    ttl = observed.invocation.spec.ttl_seconds_after_finished
    metadata = observed.invocation.metadata
    kept = metadata.deletion_timestamp is not None or observed.invocation.not_understood
    if ttl is None or kept:
        return
    wait = (moment(decision.status.completion_time) + timedelta(seconds=ttl) - now).total_seconds()
    if wait > 0:
        decision.again_in(wait)
    elif observed.admitted:  # the Source has not yet taken notice of the end
        decision.again_in(TTL_LOOK_AGAIN)
    else:
        decision.actions.append(Delete("Invocation", metadata.name, metadata.uid or ""))
