"""Objects that are being deleted, and that finalizers of others hold up: they end, and say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chroma_sync.api.contract import Result
from chroma_sync.reconcile.decision import Delete
from unit.reconcile.build import (
    begun,
    check_job,
    deleting,
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
    summary,
)


def test_a_run_is_stopped_as_by_a_cancel() -> None:
    src, run, job = going()
    after, decision = pass_invocation(deleting(run), source=src, jobs=[job], pods=[pod(job)])
    assert summary(after) == ("Unknown", "Processing")
    assert "is being deleted" in message(after)
    assert decision.actions == [Delete("Job", job.name, job.uid)]
    gone, _ = pass_invocation(after, source=src)
    assert summary(gone) == ("False", "Cancelled")
    assert "is being deleted" in message(gone)


def test_a_run_that_has_not_begun_never_does() -> None:
    src, _ = pass_source(ready_source(), invocations=[state(invocation())])
    after, decision = pass_invocation(deleting(invocation()), source=src)
    assert summary(after) == ("False", "Cancelled")
    assert "is being deleted" in message(after)
    assert decision.actions == []


def test_success_beats_a_deletion() -> None:
    src, run, job = going(complete=True, over=True, active=0)
    pods = [ended(job, 0, Result())]
    after, _ = pass_invocation(deleting(run), source=src, jobs=[job], pods=pods)
    assert summary(after) == ("True", "Complete")


def test_a_finished_run_is_not_deleted_twice() -> None:
    run = invocation(spec={"ttlSecondsAfterFinished": 5, "cancel": True})
    run, _ = pass_invocation(run)
    _, decision = pass_invocation(run, later(9))
    assert decision.actions == [Delete("Invocation", "first", "run-uid")]
    _, decision = pass_invocation(deleting(run), later(9))
    assert decision.actions == []
    assert decision.requeue_after is None


def test_the_next_run_waits_for_the_end_of_one_that_is_being_deleted() -> None:
    src, run, _ = begun()
    going = replace(state(run), deleting=True)
    following = state(invocation(name="next", uid="uid-next", created=later(1)))
    src, _ = pass_source(src, invocations=[going, following])
    assert src.status.active_invocation is not None
    assert src.status.active_invocation.uid == "run-uid"
    src, _ = pass_source(src, invocations=[replace(going, succeeded="False"), following])
    assert src.status.active_invocation is not None
    assert src.status.active_invocation.uid == "uid-next"


@pytest.mark.parametrize("ready", [True, False])
def test_a_source_makes_no_check_and_admits_nothing(ready: bool) -> None:
    src = deleting(ready_source() if ready else source())
    job = check_job(src)
    after, decision = pass_source(src, jobs=[job], invocations=[state(invocation())])
    assert summary(after) == ("False", "Terminating")
    assert decision.actions == [Delete("Job", job.name, job.uid)]
    assert [e.type for e in decision.events] == ["Normal"]
    assert after.status.active_invocation is None
