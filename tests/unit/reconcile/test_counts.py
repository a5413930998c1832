"""What a run counts: what its pods came to, or said last."""

from __future__ import annotations

from typing import Any

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import (
    ChunkCounts,
    DocumentCounts,
    Failure,
)
from chroma_sync.reconcile.decision import CreateJob
from unit.reconcile.build import (
    DONE,
    begun,
    ended,
    going,
    later,
    pass_invocation,
    pod,
    step_job,
    summary,
)


def test_counts_come_from_the_pods() -> None:
    src, run, job = going()
    at_work = pod(job)
    told = Result(documents=DocumentCounts(discovered=2, indexed=1), chunks=ChunkCounts(written=4))
    after, decision = pass_invocation(
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
    same, decision = pass_invocation(
        after, later(5), **seen, pods=[at_work], progress={at_work.uid: more}
    )
    assert same.status == after.status
    assert decision.requeue_after == 2
    waits = pod(job, waiting=("ErrImagePull", "no such image"), phase="Pending")
    kept, _ = pass_invocation(after, later(5), **seen, pods=[waits], progress={waits.uid: more})
    assert (summary(kept)[1], kept.status.bytes) == ("ImagePullFailed", 9)
    late, _ = pass_invocation(after, later(7), **seen, pods=[at_work], progress={at_work.uid: more})
    assert (late.status.bytes, late.status.updated_at) == (9, "2026-11-24T12:00:07Z")


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
    run, decision = pass_invocation(run, **seen, pods=[ended(work, 0, shard, index=2)])
    assert run.status.documents.indexed == 6
    assert run.status.bytes == 30
    assert run.status.finished_shards is not None
    assert run.status.finished_shards.indexes == [0, 1, 2]
    assert decision.actions == []
    done = step_job(run, Step.WORK, complete=True, over=True, active=0)
    run, decision = pass_invocation(run, source=src, jobs=[planned, done], pods=[])
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["args"] == ["finish"]
    assert run.status.documents.indexed == 6
