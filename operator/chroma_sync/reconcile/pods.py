"""What pods and Jobs tell of a step: its result, or what keeps it, or why it failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chroma_sync.api.contract import ExitCode, Result, Step, decode_result
from chroma_sync.api.reasons import Reason
from chroma_sync.reconcile.observed import JobState, PodState, Terminated

MESSAGE_MAX: Final = 1_000
IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
# Why the Job controller gave a Job up: the whole of it, or one shard.
_NO_MORE_ATTEMPTS: Final = frozenset(
    {"BackoffLimitExceeded", "MaxFailedIndexesExceeded", "FailedIndexes"}
)
STARTING_REASONS: Final = frozenset({"", "ContainerCreating", "PodInitializing"})


@dataclass(frozen=True)
class JobFailure:
    """What is wrong, for a condition."""

    reason: Reason
    message: str


def latest(pods: Iterable[PodState], step: Step) -> dict[int, PodState]:
    """The newest pod of each index of a step. Older ones are attempts that failed."""
    newest: dict[int, PodState] = {}
    for pod in sorted(pods, key=lambda p: (p.created, p.name)):
        if pod.step is step:
            newest[pod.index] = pod
    return newest


def result_of(pod: PodState) -> Result | None:
    """What the worker left in its termination message, if it ended and left anything."""
    return decode_result(pod.terminated.message) if pod.terminated else None


def succeeded(pod: PodState) -> bool:
    return pod.terminated is not None and pod.terminated.exit_code == ExitCode.DONE


def failure_of(pod: PodState) -> JobFailure | None:
    """What keeps a pod from its work, or why it failed. None while all is well."""
    if pod.terminated is not None:
        return None if succeeded(pod) else _how_it_ended(pod, pod.terminated)
    if pod.evicted:
        return _evicted(pod)
    if pod.unschedulable:
        message = f"No node takes the pod: {pod.unschedulable}"
        return JobFailure(Reason.UNSCHEDULABLE, cut(message))
    if pod.waiting is not None and pod.waiting[0] not in STARTING_REASONS:
        return _why_it_waits(*pod.waiting)
    return None


def failure_of_job(job: JobState, pods: Iterable[PodState], overdue: str) -> JobFailure:
    """Why a failed Job failed, in the words of the newest pod that knows. `overdue` is what to say
    when the Job took longer than it may."""
    reason, message = job.failure or ("", "")
    if reason == "DeadlineExceeded":
        return JobFailure(Reason.DEADLINE_EXCEEDED, overdue)
    own = sorted((p for p in pods if p.owner.uid == job.uid), key=lambda p: (p.created, p.name))
    ended = [f for p in reversed(own) if (p.terminated or p.evicted) and (f := failure_of(p))]
    final = [
        failure_of(p)
        for p in reversed(own)
        if p.terminated and p.terminated.exit_code in (ExitCode.CONFIGURATION, ExitCode.INPUT)
    ]
    found = next((f for f in [*final, *ended] if f), None)
    if found is None:
        return JobFailure(Reason.POD_FAILED, cut(f"The Job failed: {reason}: {message}"))
    if reason in _NO_MORE_ATTEMPTS:
        return JobFailure(found.reason, cut(f"{found.message} (after {job.failed} attempts)"))
    return found


def _how_it_ended(pod: PodState, end: Terminated) -> JobFailure:
    if end.reason == "OOMKilled":
        return JobFailure(
            Reason.OUT_OF_MEMORY,
            "The worker needed more memory than its limit. Raise "
            "spec.jobTemplate.resources.limits.memory of the Source.",
        )
    result = decode_result(end.message)
    if result is not None and result.reason:
        return JobFailure(known(result.reason), cut(result.message))
    if pod.evicted:
        return _evicted(pod)
    why = f" ({end.reason})" if end.reason not in ("", "Error") else ""
    said = f": {result.message}" if result is not None and result.message else "."
    message = f"The worker ended with exit code {end.exit_code}{why}{said}"
    return JobFailure(Reason.POD_FAILED, cut(message))


def _why_it_waits(reason: str, message: str) -> JobFailure:
    if reason in IMAGE_REASONS:
        text = f"The worker's image can't be pulled: {reason}: {message}"
        return JobFailure(Reason.IMAGE_PULL_FAILED, cut(text))
    return JobFailure(Reason.POD_FAILED, cut(f"The pod can't start: {reason}: {message}"))


def _evicted(pod: PodState) -> JobFailure:
    message = f"The pod was ended. {pod.evicted}"
    if '"scratch"' in pod.evicted:
        advice = "Raise spec.jobTemplate.scratchSize of the Source."
        return JobFailure(Reason.SCRATCH_FULL, cut(f"{message} {advice}"))
    return JobFailure(Reason.POD_FAILED, cut(message))


def known(reason: str) -> Reason:
    """A pod's reason; one that this operator does not know is that of another release."""
    return next((r for r in Reason if r == reason), Reason.POD_FAILED)


def cut(text: str) -> str:
    """A message as long as a condition should be at most."""
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"
