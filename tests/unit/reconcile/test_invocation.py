"""A run, pass by pass. Every pass goes through the checker of conditions."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import (
    ChunkCounts,
    CollectionStatus,
    DocumentCounts,
    Failure,
    Invocation,
)
from chroma_sync.reconcile.plan import CreateJob, Delete
from unit.reconcile.build import (
    INSTALLATION,
    begun,
    ended,
    going,
    invocation,
    later,
    message,
    pass_invocation,
    pass_source,
    pod,
    ready_source,
    source,
    state,
    step_job,
    summary,
)

DONE = Result(
    revision="c" * 40,
    documents=DocumentCounts(discovered=3, indexed=2, skipped=1),
    skipped={"Binary": 1},
    chunks=ChunkCounts(produced=5, embedded=5, written=5),
    bytes=99,
    collection=CollectionStatus(name="docs-1", id="i", records=5),
)


def changed(run: Invocation, **spec: Any) -> Invocation:
    metadata = run.metadata.model_copy(update={"generation": run.metadata.generation + 1})
    return run.model_copy(update={"spec": run.spec.model_copy(update=spec), "metadata": metadata})


@pytest.mark.parametrize(
    ("src", "reason", "words"),
    [
        (None, "SourceNotFound", "docs"),
        (source(), "SourceNotReady", "not checked yet"),
        (ready_source(spec={"suspend": True}), "Suspended", "spec.suspend"),
        (ready_source(), "Pending", "has not admitted it yet"),
    ],
)
def test_what_a_run_waits_for(src: Any, reason: str, words: str) -> None:
    after, plan = pass_invocation(invocation(), source=src)
    assert summary(after) == ("Unknown", reason)
    assert words in message(after)
    assert plan.actions == []
    assert after.status.start_time is None


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"s3": {"all": True}}, "NotImplemented", "spec.s3"),
        ({"targetCollectionName": None}, "InvalidForSource", "targetCollectionName"),
    ],
)
def test_what_is_refused(spec: dict[str, Any], reason: str, words: str) -> None:
    after, plan = pass_invocation(invocation(spec=spec), source=ready_source())
    assert summary(after) == ("False", reason)
    assert words in message(after)
    assert not any(isinstance(a, CreateJob) for a in plan.actions)
    assert after.status.completion_time is not None


def test_the_configuration_is_stored_before_the_job() -> None:
    _, run, plan = begun()
    assert summary(run) == ("Unknown", "Processing")
    assert run.status.configuration is not None
    assert run.status.start_time is not None
    (action,) = plan.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["metadata"]["name"] == step_job(run).name
    assert action.manifest["spec"]["backoffLimit"] == 6
    assert len(action.manifest["metadata"]["name"]) <= 63


def test_an_edited_source_does_not_change_the_run() -> None:
    src, run, _ = begun()
    edited = src.model_copy(deep=True)
    edited.spec.chunking.max_size_bytes = 17
    after, plan = pass_invocation(run, source=edited)
    assert after.status.configuration == run.status.configuration
    (action,) = plan.actions
    assert isinstance(action, CreateJob)
    value = action.manifest["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    assert '"maxSizeBytes":17' not in value


def test_counts_come_from_the_pods() -> None:
    src, run, job = going()
    at_work = pod(job)
    told = Result(documents=DocumentCounts(discovered=2, indexed=1), chunks=ChunkCounts(written=4))
    after, plan = pass_invocation(
        run,
        later(2),
        source=src,
        jobs=[job],
        pods=[at_work],
        progress={at_work.uid: told},
    )
    assert after.status.documents.indexed == 1
    assert after.status.chunks.written == 4
    assert after.status.updated_at == "2026-11-24T12:00:02Z"
    # The next numbers of it are written after five seconds; each change of state, and what is lost
    # with a pod that has ended, at once.
    more = told.model_copy(update={"bytes": 9})
    seen = {"source": src, "jobs": [job]}
    same, plan = pass_invocation(
        after, later(5), **seen, pods=[at_work], progress={at_work.uid: more}
    )
    assert same.status == after.status
    assert plan.requeue_after == 2
    waits = pod(job, waiting=("ErrImagePull", "no such image"), phase="Pending")
    kept, _ = pass_invocation(after, later(5), **seen, pods=[waits], progress={waits.uid: more})
    assert (summary(kept)[1], kept.status.bytes) == ("ImagePullFailed", 9)
    late, _ = pass_invocation(after, later(7), **seen, pods=[at_work], progress={at_work.uid: more})
    assert (late.status.bytes, late.status.updated_at) == (9, "2026-11-24T12:00:07Z")


def test_the_end() -> None:
    src, run, job = going(complete=True, over=True, active=0)
    after, plan = pass_invocation(run, later(9), source=src, jobs=[job], pods=[ended(job, 0, DONE)])
    assert summary(after) == ("True", "Complete")
    status = after.status
    assert (status.revision, status.collection) == (DONE.revision, DONE.collection)
    assert (status.documents, status.chunks, status.bytes) == (DONE.documents, DONE.chunks, 99)
    assert status.skipped == {"Binary": 1}
    assert status.completion_time == "2026-11-24T12:00:09Z"
    assert status.starting_since is None
    assert plan.actions == [Delete("Job", job.name, job.uid)]
    # For ever: whatever becomes of the Source and the Jobs.
    again, plan = pass_invocation(after, later(99), source=None)
    assert again.status == after.status
    assert plan.actions == []


def test_failed_documents_are_told() -> None:
    src, run, job = going(complete=True, over=True, active=0)
    failure = Failure(document="a.txt", reason="EmbeddingRejected", message="no")
    result = DONE.model_copy(
        update={
            "documents": DocumentCounts(discovered=1, failed=1),
            "failures": [failure],
            "notes": ["spec.github.includeGlobs: '*.rs' matches no file."],
        }
    )
    after, _ = pass_invocation(run, source=src, jobs=[job], pods=[ended(job, 0, result)])
    assert summary(after) == ("True", "CompleteWithFailures")
    assert after.status.failures == [failure]
    assert after.status.notes == ["spec.github.includeGlobs: '*.rs' matches no file."]


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
    after, plan = pass_invocation(run, source=src, jobs=[job], pods=pods)
    assert summary(after) == ("False", reason)
    assert after.status.conditions[1].type == "Stalled"
    if result is not None:
        assert result.message in message(after)
    # Its Job stays for an hour, for people look at its pods and their logs.
    assert plan.actions == []
    _, plan = pass_invocation(after, later(3599), jobs=[job])
    assert (plan.actions, plan.requeue_after) == ([], 1)
    _, plan = pass_invocation(after, later(3600), jobs=[job])
    assert plan.actions == [Delete("Job", job.name, job.uid)]


def test_of_a_failed_run_only_the_failed_job_stays() -> None:
    src, run, _ = begun(jobTemplate={"parallelism": 2})
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    work = step_job(run, Step.WORK, failure=("FailedIndexes", "x"), over=True, active=0)
    _, plan = pass_invocation(run, source=src, jobs=[planned, work])
    assert plan.actions == [Delete("Job", planned.name, planned.uid)]


def test_an_installation_may_keep_no_failed_jobs() -> None:
    src, run, job = going(failure=("BackoffLimitExceeded", "x"), over=True, active=0)
    installation = INSTALLATION.model_copy(update={"failed_jobs_ttl_seconds": 0})
    _, plan = pass_invocation(run, source=src, jobs=[job], installation=installation)
    assert plan.actions == [Delete("Job", job.name, job.uid)]


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


def test_a_cancel_ends_the_pods_first() -> None:
    src, run, _ = begun()
    asked, job = changed(run, cancel=True), step_job(run)
    after, plan = pass_invocation(asked, source=src, jobs=[job], pods=[pod(job)])
    assert summary(after) == ("Unknown", "Processing")
    assert plan.actions == [Delete("Job", job.name, job.uid)]
    assert plan.requeue_after == 0.5
    gone, _ = pass_invocation(after, source=src)
    assert summary(gone) == ("False", "Cancelled")
    assert [c.type for c in gone.status.conditions] == ["Succeeded"]


def test_success_beats_a_cancel() -> None:
    src, run, job = going(complete=True, over=True, active=0)
    after, _ = pass_invocation(
        changed(run, cancel=True), source=src, jobs=[job], pods=[ended(job, 0, DONE)]
    )
    assert summary(after) == ("True", "Complete")


def test_a_waiting_run_is_cancelled_at_once() -> None:
    after, plan = pass_invocation(invocation(spec={"cancel": True}), source=None)
    assert summary(after) == ("False", "Cancelled")
    assert plan.actions == []


def test_the_time_to_live() -> None:
    src, run, _ = begun(invocation(spec={"ttlSecondsAfterFinished": 60}))
    job = step_job(run, complete=True, over=True, active=0)
    after, plan = pass_invocation(run, source=src, jobs=[job], pods=[ended(job, 0, DONE)])
    assert plan.requeue_after == 60
    # The Source takes notice of the end first.
    _, plan = pass_invocation(after, later(60), admitted=True)
    assert Delete("Invocation", "first", "run-uid") not in plan.actions
    _, plan = pass_invocation(after, later(60))
    assert plan.actions == [Delete("Invocation", "first", "run-uid")]


def test_three_pods_are_planned_worked_and_finished() -> None:
    src, run, plan = begun(jobTemplate={"parallelism": 3})
    (action,) = plan.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["args"] == ["plan"]
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    pods = [ended(planned, 0, Result(revision="c" * 40))]
    run, plan = pass_invocation(run, source=src, jobs=[planned], pods=pods)
    (action,) = plan.actions
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
    run, plan = pass_invocation(run, source=src, jobs=[planned, work], pods=pods)
    (action,) = plan.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["args"] == ["finish"]

    finish = step_job(run, Step.FINISH, complete=True, over=True, active=0)
    last = Result(documents=DocumentCounts(removed=1), collection=DONE.collection)
    pods.append(ended(finish, 0, last))
    run, plan = pass_invocation(run, source=src, jobs=[planned, work, finish], pods=pods)
    assert summary(run) == ("True", "Complete")
    assert run.status.documents == DocumentCounts(discovered=6, indexed=6, removed=1)
    assert run.status.bytes == 30
    assert len(plan.actions) == 3


def test_the_pods_of_finished_steps_may_be_gone() -> None:
    """A node went away with them: their Jobs still say that they were done, and what they came to
    stands in status."""
    src, run, _ = begun(jobTemplate={"parallelism": 3})
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    work = step_job(run, Step.WORK)
    shard = Result(documents=DocumentCounts(discovered=2, indexed=2), skipped={}, bytes=10)
    pods = [ended(work, 0, shard, index=0), pod(work, 1), pod(work, 2)]
    told = {pods[1].uid: shard, pods[2].uid: shard}
    seen: dict[str, Any] = {"source": src, "jobs": [planned, work]}
    run, _ = pass_invocation(run, **seen, pods=pods, progress=told)
    assert run.status.documents.indexed == 6
    # The node of shard 0 is gone, and shard 1 has ended.
    pods = [ended(work, 0, shard, index=1), pods[2]]
    run, _ = pass_invocation(run, **seen, pods=pods, progress=told)
    assert run.status.documents.indexed == 6
    run, plan = pass_invocation(run, **seen, pods=[ended(work, 0, shard, index=2)])
    assert run.status.documents.indexed == 6
    assert run.status.bytes == 30
    assert run.status.finished_shards is not None
    assert run.status.finished_shards.indexes == [0, 1, 2]
    assert plan.actions == []
    done = step_job(run, Step.WORK, complete=True, over=True, active=0)
    run, plan = pass_invocation(run, source=src, jobs=[planned, done], pods=[])
    (action,) = plan.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["args"] == ["finish"]
    assert run.status.documents.indexed == 6


def test_the_last_pod_may_be_gone_before_it_is_looked_at() -> None:
    """Its Job says that it is done; the Source learns which collection is finished all the same."""
    src, run, _ = begun()
    done = step_job(run, complete=True, over=True, active=0)
    run, _ = pass_invocation(run, source=src, jobs=[done], pods=[])
    assert summary(run) == ("True", "Complete")
    src, _ = pass_source(src, invocations=[state(run)])
    assert src.status.last_finished_collection is not None
    assert src.status.last_finished_collection.name == "docs-1"


def test_an_upgrade_in_mid_run_changes_the_next_run_only() -> None:
    src, run, plan = begun(jobTemplate={"parallelism": 2})
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    upgraded = INSTALLATION.model_copy(update={"worker_image": "registry.test/worker:2"})
    _, plan = pass_invocation(run, source=src, jobs=[planned], pods=[], installation=upgraded)
    (action,) = plan.actions
    assert isinstance(action, CreateJob)
    container = action.manifest["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == INSTALLATION.worker_image


def test_a_job_without_pods_says_so() -> None:
    src, run, job = going()
    after, _ = pass_invocation(run, later(60), source=src, jobs=[job])
    assert summary(after) == ("Unknown", "PodFailed")
    assert f"kubectl describe job {job.name}" in message(after)
