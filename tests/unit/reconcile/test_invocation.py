"""A run from its beginning to its end, pass by pass."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api import supported
from chroma_sync.api.configuration import read
from chroma_sync.api.contract import Step
from chroma_sync.api.invocation import (
    Invocation,
)
from chroma_sync.reconcile.decision import CreateJob, Delete
from unit.reconcile.build import (
    DONE,
    INSTALLATION,
    NOW,
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
    after, decision = pass_invocation(invocation(), source=src)
    assert summary(after) == ("Unknown", reason)
    assert words in message(after)
    assert decision.actions == []
    assert after.status.start_time is None


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"s3": {"all": True}}, "InvalidForSource", "spec.s3"),
        ({"targetCollectionName": None}, "InvalidForSource", "targetCollectionName"),
    ],
)
def test_what_is_refused(spec: dict[str, Any], reason: str, words: str) -> None:
    after, decision = pass_invocation(invocation(spec=spec), source=ready_source())
    assert summary(after) == ("False", reason)
    assert words in message(after)
    assert not any(isinstance(a, CreateJob) for a in decision.actions)
    assert after.status.completion_time is not None


def test_a_field_that_no_code_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that a newer API has, and the code not yet."""
    monkeypatch.delitem(supported._INVOCATION, "spec.allowMassDelete")
    after, _ = pass_invocation(invocation(spec={"allowMassDelete": True}), source=ready_source())
    assert summary(after) == ("False", "NotImplemented")
    assert "spec.allowMassDelete" in message(after)


def test_the_end() -> None:
    src, run, job = going(complete=True, over=True, active=0)
    after, decision = pass_invocation(
        run, later(9), source=src, jobs=[job], pods=[ended(job, 0, DONE)]
    )
    assert summary(after) == ("True", "Complete")
    status = after.status
    assert (status.revision, status.collection) == (DONE.revision, DONE.collection)
    assert (status.documents, status.chunks, status.bytes) == (DONE.documents, DONE.chunks, 99)
    assert status.skipped == {"Binary": 1}
    assert status.completion_time == "2026-11-24T12:00:09Z"
    assert status.starting_since is None
    assert decision.actions == [Delete("Job", job.name, job.uid)]
    # For ever: whatever becomes of the Source and the Jobs.
    again, decision = pass_invocation(after, later(99), source=None)
    assert again.status == after.status
    assert decision.actions == []


def test_of_a_failed_run_only_the_failed_job_stays() -> None:
    src, run, _ = begun(jobTemplate={"parallelism": 2})
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    work = step_job(run, Step.WORK, failure=("FailedIndexes", "x"), over=True, active=0)
    _, decision = pass_invocation(run, source=src, jobs=[planned, work])
    assert decision.actions == [Delete("Job", planned.name, planned.uid)]


def test_an_installation_may_keep_no_failed_jobs() -> None:
    src, run, job = going(failure=("BackoffLimitExceeded", "x"), over=True, active=0)
    installation = INSTALLATION.model_copy(update={"failed_jobs_ttl_seconds": 0})
    _, decision = pass_invocation(run, source=src, jobs=[job], installation=installation)
    assert decision.actions == [Delete("Job", job.name, job.uid)]


def test_a_cancel_ends_the_pods_first() -> None:
    src, run, _ = begun()
    asked, job = changed(run, cancel=True), step_job(run)
    after, decision = pass_invocation(asked, source=src, jobs=[job], pods=[pod(job)])
    assert summary(after) == ("Unknown", "Processing")
    assert decision.actions == [Delete("Job", job.name, job.uid)]
    assert decision.requeue_after == 0.5
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
    after, decision = pass_invocation(invocation(spec={"cancel": True}), source=None)
    assert summary(after) == ("False", "Cancelled")
    assert decision.actions == []


S3: dict[str, Any] = {
    "github": None,
    "s3": {"bucketName": "papers", "region": "eu-central-1", "collectionName": "shelf"},
}


def test_a_run_into_a_shared_collection() -> None:
    """It always updates that of its Source, and tells workers when it was admitted."""
    asked = invocation(spec={"targetCollectionName": None, "s3": {"all": True}})
    src, run, _ = begun(asked, **S3)
    configuration = read(run.status.configuration)
    assert configuration.run is not None
    assert (configuration.run.collection, configuration.run.target_policy) == ("shelf", "Update")
    assert configuration.run.admitted == NOW.timestamp() * 1000
    after, _ = pass_invocation(changed(run, cancel=True), source=src)
    assert state(after).collection == "shelf"
    assert "finished_ingest" not in message(after)
    assert "What it has written by then stays" in message(after)
    own, run, _ = begun()
    after, _ = pass_invocation(changed(run, cancel=True), source=own)
    assert "finished_ingest" in message(after)


def test_the_time_to_live() -> None:
    src, run, _ = begun(invocation(spec={"ttlSecondsAfterFinished": 60}))
    job = step_job(run, complete=True, over=True, active=0)
    after, decision = pass_invocation(run, source=src, jobs=[job], pods=[ended(job, 0, DONE)])
    assert decision.requeue_after == 60
    # The Source takes notice of the end first.
    _, decision = pass_invocation(after, later(60), admitted=True)
    assert Delete("Invocation", "first", "run-uid") not in decision.actions
    _, decision = pass_invocation(after, later(60))
    assert decision.actions == [Delete("Invocation", "first", "run-uid")]


def test_the_last_pod_may_be_gone_before_it_is_looked_at() -> None:
    """Its Job says that it is done; the Source learns which collection is finished all the same."""
    src, run, _ = begun()
    done = step_job(run, complete=True, over=True, active=0)
    run, _ = pass_invocation(run, source=src, jobs=[done], pods=[])
    assert summary(run) == ("True", "Complete")
    src, _ = pass_source(src, invocations=[state(run)])
    assert src.status.last_finished_collection is not None
    assert src.status.last_finished_collection.name == "docs-1"
