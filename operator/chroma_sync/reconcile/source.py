"""One pass over a Source: its check, and which of its Invocations may run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from chroma_sync.api.conditions import READY
from chroma_sync.api.configuration import Configuration, ModelNotServedError, resolve
from chroma_sync.api.contract import Step
from chroma_sync.api.meta import REQUESTED_AT
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import CheckStatus, Source, SourceStatus
from chroma_sync.api.supported import not_implemented
from chroma_sync.reconcile import admission, conditions, jobs, names, pods
from chroma_sync.reconcile.conditions import State
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, JobState, PodState, timestamp
from chroma_sync.reconcile.plan import CreateJob, DeleteJob, Plan

RETRY_FIRST: Final = 10.0
RETRY_LAST: Final = 300.0
# While a check's pod is there: nothing wakes the operator when a pod changes.
LOOK_AGAIN: Final = 2.0
REQUESTED_AT_MAX: Final = 64


@dataclass(frozen=True)
class Seen:
    """All that a pass over a Source looks at. `pods` are those of its checks and of its runs."""

    source: Source
    installation: Installation
    invocations: Sequence[InvocationState] = ()
    jobs: Sequence[JobState] = ()
    pods: Sequence[PodState] = ()
    refused: str = ""  # why the API server took the Job of the last pass not


@dataclass
class _Check:
    """The pass's work on the check, step by step."""

    status: SourceStatus
    plan: Plan[SourceStatus]
    state: State | None = None
    keep: set[str] = field(default_factory=set)  # Jobs that may stay


def reconcile(seen: Seen, now: datetime) -> Plan[SourceStatus]:
    """Decide the check first, then what the end of a run says of the Source, then admission."""
    status = seen.source.status.model_copy(deep=True)
    plan = Plan(status)
    state = _check(seen, status, plan, now)
    state = _learn(seen, status, state, plan, now)
    generation = seen.source.metadata.generation
    plan.events += conditions.event(status.conditions, state)
    status.conditions = conditions.apply(status.conditions, state, generation, now)
    status.observed_generation = generation
    admission.admit(seen.invocations, seen.pods, status, plan, startable=_startable(seen, state))
    return plan


def backoff(attempts: int) -> float:
    """Seconds from the failed check number `attempts` to the next one."""
    return min(RETRY_FIRST * 2.0 ** min(attempts - 1, 10), RETRY_LAST)
