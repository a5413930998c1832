"""One pass over a Source: its check, and which of its Invocations is its active run."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import FinishedCollection, SourceStatus
from chroma_sync.reconcile import check, conditions
from chroma_sync.reconcile.admission.handover import hand_over
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.decision import Decision
from chroma_sync.reconcile.inputs import ObservedSource

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


def reconcile(observed: ObservedSource, now: datetime) -> Decision[SourceStatus]:
    """Decide the check, then what the end of a run says of the Source, then which one goes on."""
    source = observed.source
    decision = Decision(source.status.model_copy(deep=True))
    deleting = source.metadata.deletion_timestamp is not None
    state = _wind_up(observed, decision) if deleting else check.advance(observed, decision, now)
    state = _learn(observed, decision, state, now)
    generation, status = source.metadata.generation, decision.status
    decision.events += conditions.event(status.conditions, state)
    status.conditions = conditions.apply(status.conditions, state, generation, now)
    status.observed_generation = generation
    startable = state.status == "True" and not source.spec.suspend
    hand_over(observed, decision, startable=startable)
    return decision


def needs_all_pods(before: SourceStatus, after: SourceStatus) -> bool:
    """Whether what was decided stands on pods that are not there, or that left no result: that the
    next run may begin, or that a check failed. No watch is sure of that."""
    admitted = after.active_invocation not in (None, before.active_invocation)
    failures = before.check.attempts if before.check else 0
    return admitted or (after.check is not None and after.check.attempts > failures)


def _wind_up(observed: ObservedSource, decision: Decision[SourceStatus]) -> State:
    """A Source that is being deleted, which a finalizer of others may hold up for ever."""
    check.drop(observed, decision)
    return conditions.retrying(Reason.TERMINATING, "The Source is being deleted.")


def _learn(
    observed: ObservedSource, decision: Decision[SourceStatus], state: State, now: datetime
) -> State:
    """What the end of the active run says of the Source. It is looked at once: the run is
    taken from `activeInvocation` in this same pass."""
    status, active = decision.status, decision.status.active_invocation
    ended = next(
        (i for i in observed.invocations if active and i.uid == active.uid and i.finished), None
    )
    if ended is None:
        return state
    if ended.succeeded == "True":
        status.last_finished_collection = FinishedCollection(
            name=ended.collection, revision=ended.revision or None
        )
    elif ended.reason in SOURCE_REASONS and state.status == "True":
        check.again(status, now)
        decision.again_in(0.0)
        message = f"Run {ended.name} failed: {ended.message}"
        return conditions.retrying(Reason(ended.reason), message)
    return state
