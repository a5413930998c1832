"""The Jobs of a run that has begun, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import (
    DocumentCounts,
)
from chroma_sync.reconcile.decision import CreateJob, Delete
from unit.reconcile.build import (
    DONE,
    INSTALLATION,
    begun,
    ended,
    going,
    later,
    message,
    pass_invocation,
    pod,
    step_job,
    summary,
)


def test_an_edited_source_does_not_change_the_run() -> None:
    src, run, _ = begun()
    edited = src.model_copy(deep=True)
    edited.spec.chunking.max_size_bytes = 17
    after, decision = pass_invocation(run, source=edited)
    assert after.status.configuration == run.status.configuration
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    value = action.manifest["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    assert '"maxSizeBytes":17' not in value


@pytest.mark.parametrize(
    ("code", "result", "job_reason", "reason"),
    [
        (64, Result(reason="RefNotFound", message="no branch"), "PodFailurePolicy", "RefNotFound"),
        (
            64,
            Result(reason="CollectionAlreadyIngested", message="finished"),
            "PodFailurePolicy",
            "CollectionAlreadyIngested",
        ),
        (
            75,
            Result(reason="EmbeddingUnavailable", message="down"),
            "BackoffLimitExceeded",
            "EmbeddingUnavailable",
        ),
        (
            75,
            Result(reason="HostUnreachable", message="down"),
            "MaxFailedIndexesExceeded",
            "HostUnreachable",
        ),
        (1, None, "BackoffLimitExceeded", "PodFailed"),
        (0, None, "DeadlineExceeded", "DeadlineExceeded"),
    ],
)
def test_a_failed_run_is_stalled(
    code: int, result: Result | None, job_reason: str, reason: str
) -> None:
    src, run, job = going(failure=(job_reason, "x"), over=True, active=0, failed=1)
    pods = [ended(job, code, result)] if code else []
    after, decision = pass_invocation(run, source=src, jobs=[job], pods=pods)
    assert summary(after) == ("False", reason)
    assert after.status.conditions[1].type == "Stalled"
    if result is not None:
        assert result.message in message(after)
    # Its Job stays for an hour, for people look at its pods and their logs.
    assert decision.actions == []
    _, decision = pass_invocation(after, later(3599), jobs=[job])
    assert (decision.actions, decision.requeue_after) == ([], 1)
    _, decision = pass_invocation(after, later(3600), jobs=[job])
    assert decision.actions == [Delete("Job", job.name, job.uid)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"waiting": ("ImagePullBackOff", "x"), "phase": "Pending"}, "ImagePullFailed"),
        ({"unschedulable": "no node", "phase": "Pending"}, "Unschedulable"),
    ],
)
def test_trouble_is_told_while_it_lasts(fields: dict[str, Any], reason: str) -> None:
    src, run, job = going()
    after, _ = pass_invocation(run, source=src, jobs=[job], pods=[pod(job, **fields)])
    assert summary(after) == ("Unknown", reason)
    again, _ = pass_invocation(after, source=src, jobs=[job], pods=[pod(job)])
    assert summary(again) == ("Unknown", "Processing")


def test_memory_is_told_between_two_tries() -> None:
    src, run, job = going(failed=1)
    killed = ended(job, 137, None, reason="OOMKilled")
    after, _ = pass_invocation(run, source=src, jobs=[job], pods=[killed])
    assert summary(after) == ("Unknown", "OutOfMemory")
    assert "limits.memory" in message(after)
    assert after.status.attempts == 1


def test_three_pods_are_planned_worked_and_finished() -> None:
    src, run, decision = begun(jobTemplate={"parallelism": 3})
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["args"] == ["plan"]
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    pods = [ended(planned, 0, Result(revision="c" * 40))]
    run, decision = pass_invocation(run, source=src, jobs=[planned], pods=pods)
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    spec = action.manifest["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    # An outage that all three pods meet must not use up what one of them may retry.
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (6, 0)
    assert "backoffLimit" not in spec
    assert run.status.revision == "c" * 40

    work = step_job(run, Step.WORK, complete=True, over=True, active=0)
    shard = Result(documents=DocumentCounts(discovered=2, indexed=2), bytes=10)
    pods += [ended(work, 0, shard, index=i) for i in range(3)]
    run, decision = pass_invocation(run, source=src, jobs=[planned, work], pods=pods)
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["args"] == ["finish"]

    finish = step_job(run, Step.FINISH, complete=True, over=True, active=0)
    last = Result(documents=DocumentCounts(removed=1), collection=DONE.collection)
    pods.append(ended(finish, 0, last))
    run, decision = pass_invocation(run, source=src, jobs=[planned, work, finish], pods=pods)
    assert summary(run) == ("True", "Complete")
    assert run.status.documents == DocumentCounts(discovered=6, indexed=6, removed=1)
    assert run.status.bytes == 30
    assert len(decision.actions) == 3


def test_an_upgrade_in_mid_run_changes_the_next_run_only() -> None:
    src, run, decision = begun(jobTemplate={"parallelism": 2})
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    upgraded = INSTALLATION.model_copy(update={"worker_image": "registry.test/worker:2"})
    _, decision = pass_invocation(run, source=src, jobs=[planned], pods=[], installation=upgraded)
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    container = action.manifest["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == INSTALLATION.worker_image


def test_a_job_without_pods_says_so() -> None:
    src, run, job = going()
    after, _ = pass_invocation(run, later(60), source=src, jobs=[job])
    assert summary(after) == ("Unknown", "PodFailed")
    assert f"kubectl describe job {job.name}" in message(after)


def test_the_configuration_is_stored_before_the_job() -> None:
    _, run, decision = begun()
    assert summary(run) == ("Unknown", "Processing")
    assert run.status.configuration is not None
    assert run.status.start_time is not None
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["metadata"]["name"] == step_job(run).name
    assert action.manifest["spec"]["backoffLimit"] == 6
    assert len(action.manifest["metadata"]["name"]) <= 63
