"""Which run may start: one at a time, the oldest first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chroma_sync.api.source import ActiveInvocation
from chroma_sync.reconcile.observed import InvocationState
from unit.reconcile.build import (
    invocation,
    pass_source,
    pod,
    ready_source,
    source,
    step_job,
    waiting,
)


def chosen(invocations: list[InvocationState], **options: Any) -> str | None:
    source = options.pop("source", None) or ready_source()
    after, _ = pass_source(source, invocations=invocations, **options)
    active = after.status.active_invocation
    return active.name if active else None


def test_the_oldest_goes_first_and_names_decide_ties() -> None:
    assert chosen([waiting("b", 5), waiting("c", 1), waiting("a", 5)]) == "c"
    assert chosen([waiting("b"), waiting("a")]) == "a"


@pytest.mark.parametrize("change", [{"cancel": True}, {"deleting": True}, {"succeeded": "False"}])
def test_who_does_not_wait_is_passed_over(change: dict[str, object]) -> None:
    first = replace(waiting("a"), **change)  # type: ignore[arg-type]
    assert chosen([first, waiting("b", 1)]) == "b"


def test_nobody_starts_while_the_source_is_not_ready_or_suspended() -> None:
    assert chosen([waiting("a")], source=source()) is None
    assert chosen([waiting("a")], source=ready_source(spec={"suspend": True})) is None


def test_the_active_one_stays_until_it_has_ended() -> None:
    first, second = waiting("b", 1), waiting("a", 0)
    active, _ = pass_source(ready_source(), invocations=[first])
    again, _ = pass_source(active, invocations=[replace(first, started=True), second])
    assert again.status.active_invocation == ActiveInvocation(name="b", uid="uid-b")
    ended, _ = pass_source(again, invocations=[replace(first, succeeded="True"), second])
    assert ended.status.active_invocation == ActiveInvocation(name="a", uid="uid-a")


def test_the_next_waits_for_the_last_pod_of_the_former() -> None:
    former = invocation(name="former", uid="uid-former")
    job = step_job(former, active=0, over=True)
    at_work = pod(job)
    after, decision = pass_source(ready_source(), invocations=[waiting("next")], pods=[at_work])
    assert after.status.active_invocation is None
    assert decision.requeue_after is not None
    gone = replace(at_work, phase="Failed")
    after, _ = pass_source(ready_source(), invocations=[waiting("next")], pods=[gone])
    assert after.status.active_invocation is not None


def test_the_next_waits_for_the_job_of_the_former() -> None:
    former = invocation(name="former", uid="uid-former")
    after, _ = pass_source(ready_source(), invocations=[waiting("next")], jobs=[step_job(former)])
    assert after.status.active_invocation is None


def test_a_run_that_has_started_goes_on_with_a_new_source() -> None:
    """The Source was deleted and made again: its status is empty, the run is not."""
    started = replace(waiting("b", 1), started=True)
    assert chosen([waiting("a"), started]) == "b"


def test_twenty_at_once_are_admitted_one_by_one() -> None:
    src = ready_source()
    left = [waiting(f"run-{i:02}") for i in range(20)]
    order = []
    for _ in range(20):
        src, _ = pass_source(src, invocations=left)
        active = src.status.active_invocation
        assert active is not None
        src, _ = pass_source(src, invocations=left)
        assert src.status.active_invocation == active, "another one was admitted meanwhile"
        order.append(active.name)
        left = [replace(i, succeeded="True") if i.name == active.name else i for i in left]
    assert order == [f"run-{i:02}" for i in range(20)]
