"""All that a pass looks at. What it decides is a function of this and of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.source import Source
from chroma_sync.reconcile.decision import JobRejection
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, JobState, PodState


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Jobs and pods, and what is known of them beside. `progress` is what pods said last, by their
    uid. `refused`: the last Job that the API server did not take. `no_pods`: why a Job has no pod,
    as its controller said last, by the Job's name."""

    installation: Installation
    jobs: Sequence[JobState] = ()
    pods: Sequence[PodState] = ()
    progress: Mapping[str, Result] = field(default_factory=dict)
    refused: JobRejection | None = None
    no_pods: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ObservedSource(Workload):
    """A Source. Jobs and pods are those of its own tasks and of its runs, those of deleted
    Invocations too. `granted` is the uid of the run that may start next; empty when none may."""

    source: Source
    invocations: Sequence[InvocationState] = ()
    granted: str = ""


@dataclass(frozen=True, kw_only=True)
class ObservedRun(Workload):
    """An Invocation. Jobs and pods are its own only. `admitted`: its Source names it as its active
    run. `ahead` is the run before it in the queue, and `remains` what is still at work of one that
    is gone."""

    invocation: Invocation
    source: Source | None = None
    admitted: bool = False
    ahead: InvocationState | None = None
    remains: str = ""
