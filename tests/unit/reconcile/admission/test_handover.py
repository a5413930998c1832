"""What is left of an earlier run, and whom a Source takes for its active one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chroma_sync.reconcile.admission.handover import LOOK_AGAIN
from unit.reconcile.build import (
    invocation,
    pass_source,
    pod,
    ready_source,
    source,
    step_job,
    waiting,
)


def active(granted: str, src: Any = None, **seen: Any) -> str:
    """The uid of the active run after a pass, in which this one may start."""
    runs = seen.pop("invocations", [waiting("a"), waiting("b", 1)])
    after, _ = pass_source(src or ready_source(), invocations=runs, granted=granted, **seen)
    return after.status.active_invocation.uid if after.status.active_invocation else ""


def test_only_what_was_granted_starts() -> None:
    assert active("") == ""
    assert active("uid-b") == "uid-b"
    assert active("uid-gone") == ""


def test_a_grant_is_no_order() -> None:
    """The decision may be older than what the pass sees."""
    assert active("uid-a", source()) == ""
    assert active("uid-a", ready_source(spec={"suspend": True})) == ""
    for change in ({"cancel": True}, {"deleting": True}, {"held": True}, {"succeeded": "True"}):
        late: dict[str, Any] = dict(change)
        assert active("uid-a", invocations=[replace(waiting("a"), **late)]) == ""


def test_an_active_one_is_not_replaced_by_a_grant() -> None:
    first, _ = pass_source(ready_source(), invocations=[waiting("a")], granted="uid-a")
    assert active("uid-b", first) == "uid-a"


@pytest.mark.parametrize("number", [0, 1])
def test_a_grant_waits_for_the_end_of_the_former(number: int) -> None:
    job = step_job(invocation(name="former", uid="uid-former"))
    left: dict[str, Any] = {"jobs": [job], "pods": [pod(job)]}
    left["jobs"] = [replace(job, over=number == 1)]
    runs = [waiting("a")]
    after, decision = pass_source(ready_source(), invocations=runs, granted="uid-a", **left)
    assert after.status.active_invocation is None
    assert decision.requeue_after == LOOK_AGAIN
