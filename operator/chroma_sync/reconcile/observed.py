"""What the operator looks at in Jobs and pods, read from the API server's own objects.

A Job is taken for one of ours by its controller, and a pod by its Job (see `owners`); a label only
narrows what is listed. What is malformed in them costs that Job or pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chroma_sync.api import stored
from chroma_sync.api.conditions import READY, STALLED, SUCCEEDED
from chroma_sync.api.contract import Step
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.meta import REQUESTED_AT, Object, is_object_name
from chroma_sync.reconcile import names
from chroma_sync.reconcile.owners import Reference, controller_of

CONTAINER: Final = "worker"
INDEX_LABEL: Final = "batch.kubernetes.io/job-completion-index"
INDEX_DIGITS_MAX: Final = 5  # source: the Job API, of completions in an Indexed Job


@dataclass(frozen=True)
class SourceState:
    """What others need to know of a Source: a change of it wakes the Invocations that wait."""

    generation: int
    requested_at: str
    active_uid: str
    reason: str
    message: str
    startable: bool = False  # as its status says: it is ready, and lets runs start


@dataclass(frozen=True)
class InvocationState:
    """What admission needs to know of an Invocation."""

    name: str
    uid: str
    source: str
    created: datetime
    generation: int = 1
    cancel: bool = False
    deleting: bool = False
    started: bool = False
    held: bool = False  # it can't begin: this release does not understand it
    succeeded: str = "Unknown"  # the status of the condition
    reason: str = ""
    message: str = ""
    # Only of a finished one: the name of its collection, and the revision that it holds.
    collection: str = ""
    revision: str = ""

    @property
    def finished(self) -> bool:
        return self.succeeded != "Unknown"


@dataclass(frozen=True)
class JobState:
    """One Job. `failure` is the reason and message of its Failed (or FailureTarget) condition. The
    owner is the Source or Invocation that controls it. `suspended`: a queue
    or a person holds it, and it makes no pods until then."""

    name: str
    uid: str
    owner: Reference
    source: str  # the label: see names.label_value
    step: Step | None
    created: datetime
    deleting: bool = False
    over: bool = False  # complete or failed for good: it makes no pods any more
    complete: bool = False
    failure: tuple[str, str] | None = None
    active: int = 0
    failed: int = 0
    suspended: bool = False
    suspended_since: str = ""
    config_map: str = ""  # what was made for it; empty where it names none that is its own


@dataclass(frozen=True)
class Terminated:
    """How a container ended. `message` is the termination message: the worker's result."""

    exit_code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class PodState:
    """One pod of a Job, its owner. `index` is its completion index, 0 where the Job has none."""

    name: str
    uid: str
    owner: Reference
    step: Step | None
    invocation_uid: str
    created: datetime
    source: str = ""  # the label: see names.label_value
    index: int = 0
    phase: str = "Pending"
    address: str = ""
    deleting: bool = False
    evicted: str = ""  # the message of a pod that failed as a whole (evicted, preempted, node lost)
    unschedulable: str = ""
    gated: bool = False  # a queue keeps the scheduler from it
    waiting: tuple[str, str] | None = None
    terminated: Terminated | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def at_work(self) -> bool:
        """Whether its worker can be asked how far it is."""
        return self.phase == "Running" and bool(self.address) and self.terminated is None


def moment(value: str | None) -> datetime:
    """Read the API server's RFC 3339 time, in UTC. What is missing counts as long ago."""
    return datetime.fromisoformat(value or "1970-01-01T00:00:00Z")


def source_state(source: Object) -> SourceState:
    """Read a Source."""
    metadata, status = source["metadata"], source.get("status") or {}
    ready = _condition(status, READY)
    return SourceState(
        generation=metadata.get("generation", 0),
        requested_at=(metadata.get("annotations") or {}).get(REQUESTED_AT, ""),
        active_uid=(status.get("activeInvocation") or {}).get("uid", ""),
        reason=ready.get("reason", ""),
        message=ready.get("message", ""),
        startable=_is_startable(source, ready),
    )


def _is_startable(source: Object, ready: Mapping[str, str]) -> bool:
    metadata, status = source["metadata"], source.get("status") or {}
    observed = status.get("observedGeneration") == metadata.get("generation", 0)
    held = metadata.get("deletionTimestamp") or (source.get("spec") or {}).get("suspend")
    return ready.get("status") == "True" and observed and not held


def invocation_state(invocation: Object) -> InvocationState:
    """Read an Invocation."""
    metadata, status = invocation["metadata"], invocation.get("status") or {}
    spec = invocation.get("spec") or {}
    succeeded = _condition(status, SUCCEEDED)
    finished = succeeded.get("status", "Unknown") != "Unknown"
    started = bool(status.get("startTime"))
    return InvocationState(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        source=_name((spec.get("sourceRef") or {}).get("name")),
        created=moment(metadata.get("creationTimestamp")),
        generation=metadata.get("generation", 0),
        cancel=bool(spec.get("cancel")),
        deleting=bool(metadata.get("deletionTimestamp")),
        started=started,
        held=not (started or finished) and _is_held(invocation, status),
        succeeded=succeeded.get("status", "Unknown"),
        reason=succeeded.get("reason", ""),
        message=succeeded.get("message", "") if finished else "",
        collection=_collection(spec, status) if finished else "",
        revision=(status.get("revision") or "") if finished else "",
    )


def _is_held(invocation: Object, status: Object) -> bool:
    stalled = _condition(status, STALLED).get("status") == "True"
    return stalled or not stored.is_readable(Invocation, invocation)


def _collection(spec: Object, status: Object) -> str:
    """The collection that a run wrote to. Its pod, which tells of it, may be gone with its node
    before it was looked at: then it is the one that was asked for, or that its Source names."""
    name = (status.get("collection") or {}).get("name") or spec.get("targetCollectionName")
    run = (status.get("configuration") or {}).get("run") or {}
    return str(name or run.get("collection") or "")


def job_state(job: Object) -> JobState:
    """Read a Job."""
    metadata, status = job["metadata"], job.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or [] if c.get("status") == "True"}
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    return JobState(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        owner=controller_of(metadata, "Source", "Invocation"),
        source=(metadata.get("labels") or {}).get(names.LABEL_SOURCE, ""),
        step=_step(metadata),
        created=moment(metadata.get("creationTimestamp")),
        deleting=bool(metadata.get("deletionTimestamp")),
        over=bool({"Complete", "Failed"} & conditions.keys()),
        complete="Complete" in conditions,
        failure=(failed.get("reason", ""), failed.get("message", "")) if failed else None,
        active=status.get("active") or 0,
        failed=status.get("failed") or 0,
        suspended=bool((job.get("spec") or {}).get("suspend")),
        suspended_since=conditions.get("Suspended", {}).get("lastTransitionTime") or "",
        config_map=_config_map(job),
    )


def _config_map(job: Object) -> str:
    """The ConfigMap that the operator made for a Job. A Job of others may name any."""
    template = (job.get("spec") or {}).get("template") or {}
    volumes = (template.get("spec") or {}).get("volumes") or []
    mounted = [(v.get("configMap") or {}).get("name", "") for v in volumes]
    own = (name for name in mounted if names.is_config_map_of(job["metadata"]["name"], name))
    return next(own, "")


def pod_state(pod: Object) -> PodState:
    """Read a pod."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    container: Object = next(
        (c for c in status.get("containerStatuses") or [] if c.get("name") == CONTAINER), {}
    )
    state = container.get("state") or {}
    waiting = state.get("waiting")
    return PodState(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        owner=controller_of(metadata, "Job"),
        step=_step(metadata),
        invocation_uid=labels.get(names.LABEL_INVOCATION_UID, ""),
        created=moment(metadata.get("creationTimestamp")),
        source=labels.get(names.LABEL_SOURCE, ""),
        index=_index(labels),
        phase=status.get("phase", "Pending"),
        address=status.get("podIP") or "",
        deleting=bool(metadata.get("deletionTimestamp")),
        evicted=_evicted(status),
        unschedulable=_not_scheduled(status, "Unschedulable"),
        gated=bool(_not_scheduled(status, "SchedulingGated")),
        waiting=(waiting.get("reason", ""), waiting.get("message", "")) if waiting else None,
        terminated=_terminated(state.get("terminated")),
    )


def _condition(status: Object, kind: str) -> dict[str, str]:
    return next((c for c in status.get("conditions") or [] if c.get("type") == kind), {})


def _step(metadata: Object) -> Step | None:
    value = (metadata.get("labels") or {}).get(names.LABEL_STEP)
    return next((step for step in Step if step == value), None)


def _name(value: object) -> str:
    """The name of an object; empty when no object can have it."""
    return value if isinstance(value, str) and is_object_name(value) else ""


def _index(labels: Mapping[str, str]) -> int:
    """The completion index; -1, which no shard has, when the label is none."""
    value = labels.get(INDEX_LABEL, "0")
    whole = value.isascii() and value.isdecimal() and len(value) <= INDEX_DIGITS_MAX
    return int(value) if whole else -1


def _terminated(state: Object | None) -> Terminated | None:
    if state is None:
        return None
    return Terminated(
        exit_code=int(state.get("exitCode", -1)),
        reason=state.get("reason") or "",
        message=state.get("message") or "",
    )


def _evicted(status: Object) -> str:
    if status.get("phase") != "Failed" or not status.get("reason"):
        return ""
    return f"{status['reason']}: {status.get('message') or 'no message'}"


def _not_scheduled(status: Object, reason: str) -> str:
    """The scheduler's message when it has not placed a pod for a reason; else empty."""
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("reason") == reason:
            return str(condition.get("message") or "no node fits")
    return ""
