"""A task, attempt by attempt: read from its Job and its pods."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import CheckStatus
from chroma_sync.reconcile import task
from chroma_sync.reconcile.backoff import Backoff
from chroma_sync.reconcile.decision import JobRejection
from chroma_sync.reconcile.inputs import Workload
from chroma_sync.reconcile.observed import JobState, PodState
from chroma_sync.reconcile.owners import Reference
from chroma_sync.reconcile.task import Attempt, Phase, Task
from unit.reconcile.build import INSTALLATION, NOW, ended, invocation, later, pod, step_job

FAILED = Result(reason="HostUnreachable", message="The host does not answer.")
OVER = {"over": True, "active": 0}


def job(**fields: Any) -> JobState:
    return step_job(invocation(), Step.WORK, **fields)


def found(one: JobState | None, pods: list[PodState], **more: Any) -> tuple[Task, Workload]:
    workload = Workload(installation=INSTALLATION, jobs=[one] if one else [], pods=pods)
    name = job().name
    options: dict[str, Any] = {"indexes": 1, "overdue": "It took too long."} | more
    return task.find(workload, name, "run-uid", Step.WORK, **options), workload


def attempt(one: JobState | None, *pods: PodState, seconds: float = 0, **options: Any) -> Attempt:
    return task.attempt(*found(one, list(pods), **options), later(seconds))


@pytest.mark.parametrize(
    ("one", "pods", "phase"),
    [
        (None, [], Phase.MISSING),
        (job(owner=Reference("Invocation", "first", "another")), [], Phase.MISSING),
        (job(name="another"), [], Phase.MISSING),
        (job(deleting=True), [pod(job())], Phase.DELETING),
        (job(suspended=True), [], Phase.QUEUED),
        (job(), [pod(job(), phase="Pending", gated=True)], Phase.QUEUED),
        (job(), [], Phase.GOING),
        (job(), [pod(job())], Phase.GOING),
        (job(complete=True, **OVER), [], Phase.DONE),
        (job(complete=True, deleting=True, **OVER), [], Phase.DONE),
        (job(), [ended(job())], Phase.DONE),
        (job(failure=("BackoffLimitExceeded", "x"), **OVER), [ended(job(), 75)], Phase.FAILED),
    ],
)
def test_phases(one: JobState | None, pods: list[PodState], phase: Phase) -> None:
    assert attempt(one, *pods).phase is phase


def test_each_index_has_to_succeed() -> None:
    pods = [ended(job(), index=0), pod(job(), index=1)]
    assert attempt(job(), *pods, indexes=2).phase is Phase.GOING
    pods[1] = ended(job(), index=1)
    assert attempt(job(), *pods, indexes=2).phase is Phase.DONE
    assert attempt(job(), *pods, indexes=3).phase is Phase.GOING


def test_the_newest_pod_of_an_index_counts() -> None:
    pods = [ended(job(), 75, FAILED), pod(job(), number=1)]
    assert attempt(job(), *pods) == Attempt(Phase.GOING)


def test_where_the_job_tries_again_a_pod_that_failed_is_no_end() -> None:
    retried = attempt(job(), ended(job(), 75, FAILED))
    assert (retried.phase, retried.failure and retried.failure.reason) == (
        *(Phase.GOING, Reason.HOST_UNREACHABLE),
    )
    once = attempt(job(), ended(job(), 75, FAILED), retried=False)
    assert (once.phase, once.failure) == (Phase.FAILED, retried.failure)


def test_what_took_too_long_says_so() -> None:
    late = attempt(job(failure=("DeadlineExceeded", "x"), **OVER), ended(job(), 75, FAILED))
    assert late.failure is not None
    assert (late.failure.reason, late.failure.message) == (
        *(Reason.DEADLINE_EXCEEDED, "It took too long."),
    )


def test_what_a_worker_says_is_told_when_kubernetes_has_nothing_to_say() -> None:
    at_work = pod(job())
    progress = {at_work.uid: FAILED}
    one, _ = found(job(), [at_work])
    said = Workload(installation=INSTALLATION, jobs=[job()], pods=[at_work], progress=progress)
    going = task.attempt(one, said, NOW)
    assert going.phase is Phase.GOING
    assert going.failure is not None
    assert going.failure.message == FAILED.message


def test_a_job_without_a_pod_is_looked_at_again_before_it_is_in_trouble() -> None:
    assert attempt(job(), seconds=4) == Attempt(Phase.GOING, look_in=11)
    late = attempt(job(), seconds=15)
    assert late.look_in is None
    assert late.failure is not None


def test_only_a_refusal_of_its_own_jobs_is_one() -> None:
    no = JobRejection("mine", "a quota", final=False)
    workload = Workload(installation=INSTALLATION, refused=no)
    assert task.rejection(workload, "other", "mine") == no
    assert task.rejection(workload, "other") is None


@pytest.mark.parametrize(
    ("asked", "attempts", "due"),
    [(0, 0, 10), (0, 3, 80), (900, 0, 900), (5, 0, 10), (0, 10_000, 300)],
)
def test_when_the_next_attempt_may_begin(asked: int, attempts: int, due: int) -> None:
    limited = ended(job(), 75, Result(reason="RateLimited", retry_after_seconds=asked))
    one, _ = found(job(), [limited])
    before = CheckStatus(attempts=attempts, digest="d")
    after = task.after_failure(before, one, Backoff(first=10, last=300), NOW)
    assert (after.attempts, after.digest) == (attempts + 1, "d")
    assert task.due_in(after, NOW) == due
    assert task.due_in(after, later(due)) == 0
