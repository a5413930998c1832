"""What a waiting run waits for is named: kind, name, and since when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chroma_sync.reconcile.admission import handover
from unit.reconcile.build import (
    admitting,
    check_job,
    ended,
    invocation,
    later,
    message,
    pass_invocation,
    pass_source,
    pod,
    ready_source,
    source,
    step_job,
    waiting,
)


def test_the_run_in_front_is_named() -> None:
    said, _ = pass_invocation(invocation(), source=ready_source(), ahead=waiting("before", 5))
    assert "Invocation before of Source docs goes first, made at 2026-11-24T12:00:05Z" in message(
        said
    )


def test_what_is_left_of_a_run_that_is_gone_is_named() -> None:
    former = invocation(name="former", uid="uid-former")
    job = step_job(former)
    left: dict[str, Any] = {"jobs": [job], "pods": [pod(job)]}
    remains = handover.remains("run-uid", **left)
    assert remains == f"Job {job.name}, made at 2026-11-24T12:00:00Z,"
    left["jobs"] = [replace(job, over=True)]
    remains = handover.remains("run-uid", **left)
    assert remains == f"Pod {pod(job).name}, made at 2026-11-24T12:00:00Z,"
    said, _ = pass_invocation(invocation(), source=ready_source(), remains=remains)
    assert remains in message(said)
    assert handover.remains("uid-former", **left) == ""


def test_a_source_that_is_not_ready_is_named_with_its_time() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked, failure=("BackoffLimitExceeded", "x"), over=True, active=0)
    failed, _ = pass_source(asked, later(9), jobs=[job], pods=[ended(job, 64)])
    said, _ = pass_invocation(invocation(), later(20), source=failed)
    assert "Source docs is not ready: PodFailed since 2026-11-24T12:00:09Z" in message(said)


@pytest.mark.parametrize(
    ("src", "words"),
    [
        (None, "No Source 'docs' in this namespace."),
        (ready_source(spec={"suspend": True}), "Source docs is suspended."),
    ],
)
def test_since_when_is_told_where_the_source_can_not_say(src: Any, words: str) -> None:
    asked, _ = pass_invocation(invocation(), source=ready_source())
    assert asked.status.waiting_since == "2026-11-24T12:00:00Z"
    waits, _ = pass_invocation(asked, later(7), source=src)
    still, _ = pass_invocation(waits, later(900), source=src)
    assert still.status == waits.status
    assert message(still).startswith(words)
    assert message(still).endswith("Waiting since 2026-11-24T12:00:07Z.")
    # What it waits for next has a time of its own, and a run that has begun waits for nothing.
    queued, _ = pass_invocation(still, later(901), source=ready_source())
    assert queued.status.waiting_since == "2026-11-24T12:15:01Z"
    begun_, _ = pass_invocation(queued, later(902), source=admitting(ready_source(), queued))
    assert begun_.status.start_time is not None
    assert begun_.status.waiting_since is None
