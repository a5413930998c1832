"""Jobs whose pods have not started: who holds them, what keeps them, and for how long.

The API server and the Job controller decide here. Why a Job has no pod stands in no status, only in
an event of the Job controller, which the caller reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.reconcile.decision import JobRejection
from chroma_sync.reconcile.observed import JobState, PodState
from chroma_sync.reconcile.pods import JobFailure, cut

# A Job without any pod for so long gets none: a quota, a missing ServiceAccount, a webhook.
NO_POD_SECONDS: Final = 15.0
# The Job controller's longest pause between two tries, and some time to make the pod.
# Source: MaxJobBackOff in k8s.io/kubernetes/pkg/controller/job.
RETRY_PAUSE_SECONDS: Final = 660


def unmade(
    jobs: Iterable[JobState], pods: Sequence[PodState], now: datetime
) -> list[tuple[JobState, datetime]]:
    """The Jobs that should have a pod and have none, and since when no later than that."""
    found = []
    for job in jobs:
        own = [pod for pod in pods if pod.owner.name == job.name]
        since = max([job.created, *(pod.created for pod in own)])
        idle = job.over or job.complete or job.failure or job.deleting or job.suspended
        late = now - since >= timedelta(seconds=NO_POD_SECONDS)
        if late and not idle and all(pod.ended for pod in own):
            found.append((job, since))
    return found


def held(job: JobState, pods: Iterable[PodState]) -> str:
    """Who holds a Job back on purpose; empty when it may go."""
    if job.suspended:
        since = f" since {job.suspended_since}" if job.suspended_since else ""
        return (
            f"Job {job.name} is suspended{since}: a queue or a person holds it. It goes on when "
            "its spec.suspend is false."
        )
    gated = next((pod for pod in pods if pod.gated and not pod.ended), None)
    return f"Pod {gated.name} waits in a queue: it has scheduling gates." if gated else ""


def no_pod(
    job: JobState, pods: Sequence[PodState], why: Mapping[str, str], now: datetime
) -> JobFailure | None:
    """What keeps a Job from having a pod, if it should have one by now. `why` is what the Job
    controller said last, by the Job's name."""
    if not unmade([job], pods, now):
        return None
    if job.name in why:
        return JobFailure(Reason.POD_REFUSED, cut(f"Job {job.name} gets no pod: {why[job.name]}"))
    if pods:
        return None  # between two tries
    return JobFailure(
        Reason.POD_FAILED,
        f"Job {job.name} has no pod. Ask Kubernetes why: kubectl describe job {job.name}.",
    )


def refused(rejection: JobRejection) -> JobFailure:
    """That the API server does not take a Job."""
    again = " It will again, for the Job's own fields are wrong." if rejection.final else ""
    message = f"The API server refuses Job {rejection.job}: {rejection.message}.{again}"
    return JobFailure(Reason.JOB_REFUSED, cut(message))


def timeout(pods: Iterable[PodState], limit: int) -> timedelta:
    """For how long a step may be without a pod at work. The Job controller's pause between two
    tries is not the step's fault."""
    tried = any(pod.ended for pod in pods)
    return timedelta(seconds=max(limit, RETRY_PAUSE_SECONDS) if tried else limit)
