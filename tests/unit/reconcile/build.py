"""Objects for the tests of reconcile, and passes that check every law on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from chroma_sync.api.configuration import resolve
from chroma_sync.api.contract import Result, Step, encode_result
from chroma_sync.api.invocation import (
    ChunkCounts,
    CollectionStatus,
    DocumentCounts,
    Invocation,
    InvocationStatus,
)
from chroma_sync.api.meta import API_VERSION
from chroma_sync.api.source import Source, SourceStatus
from chroma_sync.controller.executor import dump
from chroma_sync.reconcile import check
from chroma_sync.reconcile import invocation as invocation_pass
from chroma_sync.reconcile import source as source_pass
from chroma_sync.reconcile.admission.decision import grants
from chroma_sync.reconcile.admission.limits import UnfinishedRun
from chroma_sync.reconcile.decision import CreateJob, Decision
from chroma_sync.reconcile.inputs import ObservedRun, ObservedSource
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import (
    InvocationState,
    JobState,
    PodState,
    Terminated,
    invocation_state,
    source_state,
)
from chroma_sync.reconcile.owners import Owner, Reference
from unit import conditions_invariants

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
MODEL = "acme/small"
INSTALLATION = Installation.model_validate(
    {
        "chroma": {"url": "http://chroma.test:8000"},
        "endpoints": [{"model": MODEL, "url": "http://tei.test"}],
        "workerImage": "registry.test/worker:1",
    }
)
# What a run came to that indexed all.
DONE = Result(
    revision="c" * 40,
    documents=DocumentCounts(discovered=3, indexed=2, skipped=1),
    skipped={"Binary": 1},
    chunks=ChunkCounts(produced=5, embedded=5, written=5),
    bytes=99,
    collection=CollectionStatus(name="docs-1", id="i", records=5),
)

T = TypeVar("T", Source, Invocation)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def source(
    *,
    spec: dict[str, Any] | None = None,
    status: SourceStatus | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    name: str = "docs",
    uid: str = "source-uid",
) -> Source:
    """A github Source whose model is served."""
    full = {
        "embedding": {"dense": {"model": MODEL}},
        "github": {"repository": "acme/docs"},
    } | (spec or {})
    return Source.model_validate(
        {
            "apiVersion": API_VERSION,
            "kind": "Source",
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": uid,
                "generation": generation,
                "resourceVersion": "1",
                "annotations": annotations or {},
            },
            "spec": full,
            "status": dump(status) if status else {},
        }
    )


def invocation(
    *,
    spec: dict[str, Any] | None = None,
    status: InvocationStatus | None = None,
    generation: int = 1,
    name: str = "first",
    uid: str = "run-uid",
    created: datetime = NOW,
) -> Invocation:
    """A run over the Source `docs`."""
    full = {"sourceRef": {"name": "docs"}, "targetCollectionName": "docs-1"} | (spec or {})
    return Invocation.model_validate(
        {
            "apiVersion": API_VERSION,
            "kind": "Invocation",
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": uid,
                "generation": generation,
                "resourceVersion": "1",
                "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "spec": full,
            "status": dump(status) if status else {},
        }
    )


def made(decision: Decision[Any]) -> list[dict[str, Any]]:
    """The Jobs that a pass makes."""
    return [action.manifest for action in decision.actions if isinstance(action, CreateJob)]


def as_json(obj: Source | Invocation) -> dict[str, Any]:
    """The object as the API server would hold it."""
    whole = obj.model_dump(mode="json", by_alias=True, exclude_none=True)
    status = dump(obj.status)
    return whole | {"status": status if status.get("conditions") else {}}


def deleting(obj: T) -> T:
    """The object after someone deleted it, which a finalizer of others holds up."""
    update = {"deletion_timestamp": "2026-11-24T12:00:00Z"}
    return obj.model_copy(update={"metadata": obj.metadata.model_copy(update=update)})


def state(obj: Invocation) -> InvocationState:
    """What admission sees of an Invocation."""
    return invocation_state(as_json(obj))


def check_job_name(obj: Source, attempts: int = 0) -> str:
    requested = obj.status.last_handled_requested_at or ""
    digest = check.digest_of(resolve(obj, INSTALLATION, None))
    image = INSTALLATION.worker_image
    attempt = f"check/{obj.metadata.generation}/{attempts}/{requested}/{image}/{digest}"
    return Owner.of(obj).job_name(attempt)


def check_job(obj: Source, attempts: int = 0, **fields: Any) -> JobState:
    """The Job of a Source's check."""
    values: dict[str, Any] = {
        "name": check_job_name(obj, attempts),
        "uid": f"check-{attempts}",
        "owner": Reference("Source", obj.metadata.name, obj.metadata.uid or ""),
        "source": obj.metadata.name,
        "step": Step.CHECK,
        "created": NOW,
        "active": 1,
    }
    return JobState(**(values | fields))


def step_job(obj: Invocation, step: Step = Step.RUN, **fields: Any) -> JobState:
    """The Job of a step of a run."""
    values: dict[str, Any] = {
        "name": Owner.of(obj).job_name(step.value),
        "uid": f"job-{step}",
        "owner": Reference("Invocation", obj.metadata.name, obj.metadata.uid or ""),
        "source": obj.spec.source_ref.name,
        "step": step,
        "created": NOW,
        "active": 1,
    }
    return JobState(**(values | fields))


def pod(job: JobState, index: int = 0, number: int = 0, **fields: Any) -> PodState:
    """A running pod of a Job; a higher `number` is a later attempt."""
    values: dict[str, Any] = {
        "name": f"{job.name}-{index}-{number}",
        "uid": f"pod-{job.step}-{index}-{number}",
        "owner": Reference("Job", job.name, job.uid),
        "step": job.step,
        "invocation_uid": job.owner.uid if job.owner.kind == "Invocation" else "",
        "created": later(number),
        "index": index,
        "phase": "Running",
        "address": "10.0.0.9",
    }
    return PodState(**(values | fields))


def ended(
    job: JobState,
    code: int = 0,
    result: Result | None = None,
    *,
    index: int = 0,
    number: int = 0,
    reason: str = "",
) -> PodState:
    """A pod that ended, with its result in the termination message."""
    message = encode_result(result).decode() if result is not None else ""
    return pod(
        job,
        index,
        number,
        phase="Failed" if code else "Succeeded",
        terminated=Terminated(code, reason or ("Error" if code else "Completed"), message),
    )


def _obeys_laws(before: T, after: T, again: Decision[Any]) -> None:
    conditions_invariants.check_step(as_json(before), as_json(after))
    assert dump(again.status) == dump(after.status), "a second pass changed the status"
    assert again.events == []


def pass_source(
    obj: Source, now: datetime = NOW, **seen: Any
) -> tuple[Source, Decision[SourceStatus]]:
    """One pass, after admission has decided. Checks the invariants, and that a second pass right
    after changes nothing."""
    fixed: dict[str, Any] = {
        "installation": INSTALLATION,
        "granted": granted(obj, seen.get("invocations", [])),
    }
    given = ObservedSource(source=obj, **(fixed | seen))
    decision = source_pass.reconcile(given, now)
    after = obj.model_copy(update={"status": decision.status})
    again = source_pass.reconcile(replace(given, source=after), now)
    _obeys_laws(obj, after, again)
    return after, decision


def granted(obj: Source, invocations: Sequence[InvocationState]) -> str:
    """The run of a Source that admission lets start next."""
    known = source_state(as_json(obj))
    runs = [
        UnfinishedRun("team", i, startable=known.startable, active=i.uid == known.active_uid)
        for i in invocations
    ]
    return next((run.state.uid for run in grants(runs)), "")


def pass_invocation(
    obj: Invocation, now: datetime = NOW, **seen: Any
) -> tuple[Invocation, Decision[InvocationStatus]]:
    """One pass. Checks the invariants, and that a second pass right after changes nothing."""
    given = ObservedRun(invocation=obj, **({"installation": INSTALLATION} | seen))
    decision = invocation_pass.reconcile(given, now)
    after = obj.model_copy(update={"status": decision.status})
    again = invocation_pass.reconcile(replace(given, invocation=after), now)
    _obeys_laws(obj, after, again)
    return after, decision


def ready_source(**options: Any) -> Source:
    """A Source whose check has passed."""
    obj = source(**options)
    asked, _ = pass_source(obj)
    done, _ = pass_source(asked, jobs=[check_job(asked, complete=True)])
    return done


def admitting(obj: Source, run_: Invocation) -> Source:
    """The Source after it admitted the run."""
    after, _ = pass_source(obj, invocations=[state(run_)])
    assert after.status.active_invocation is not None
    return after


def begun(
    run_: Invocation | None = None, **spec: Any
) -> tuple[Source, Invocation, Decision[InvocationStatus]]:
    """A run that was admitted and has just begun. `spec` is of the Source."""
    run_ = run_ or invocation()
    src = admitting(ready_source(spec=spec), run_)
    after, decision = pass_invocation(run_, source=src)
    return src, after, decision


def going(spec: dict[str, Any] | None = None, **job: Any) -> tuple[Source, Invocation, JobState]:
    """A run that has begun, and its Job as it stands. `spec` is of the Source."""
    src, run_, _ = begun(**(spec or {}))
    return src, run_, step_job(run_, **job)


def waiting(name: str, seconds: float = 0) -> InvocationState:
    """What admission sees of a run that was made so many seconds after `NOW`."""
    return state(invocation(name=name, uid=f"uid-{name}", created=later(seconds)))


def summary(obj: Source | Invocation) -> tuple[str, str]:
    """Status and reason of the summary condition."""
    condition = obj.status.conditions[0]
    return condition.status, condition.reason


def message(obj: Source | Invocation) -> str:
    return obj.status.conditions[0].message
