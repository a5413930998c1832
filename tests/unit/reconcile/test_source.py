"""What the end of a run says of its Source."""

from __future__ import annotations

from unit.reconcile.build import (
    invocation,
    message,
    pass_source,
    ready_source,
    state,
    summary,
)


def test_a_run_that_failed_for_the_source_makes_it_unready() -> None:
    ready = ready_source()
    run = invocation()
    admitted, _ = pass_source(ready, invocations=[state(run)])
    failed = state(run)
    failed = type(failed)(
        **{**vars(failed), "succeeded": "False", "reason": "RepositoryNotFound", "message": "gone"}
    )
    after, decision = pass_source(admitted, invocations=[failed])
    assert summary(after) == ("False", "RepositoryNotFound")
    assert "gone" in message(after)
    assert after.status.active_invocation is None
    assert decision.requeue_after == 0


def test_a_run_that_failed_for_its_own_reason_does_not() -> None:
    run = invocation()
    admitted, _ = pass_source(ready_source(), invocations=[state(run)])
    failed = state(run)
    failed = type(failed)(
        **{**vars(failed), "succeeded": "False", "reason": "RefNotFound", "message": "no branch"}
    )
    after, _ = pass_source(admitted, invocations=[failed])
    assert summary(after) == ("True", "Available")
