"""The cache: late news brings nothing back, and what a list lacks is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import ADMISSION, Key

RUN = ("team", "run")


def run(version: int, *, uid: str = "u1", **status: Any) -> dict[str, Any]:
    """An Invocation of Source `docs`."""
    return {
        "metadata": {
            "name": "run",
            "namespace": "team",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-11-24T12:00:00Z",
        },
        "spec": {"sourceRef": {"name": "docs"}},
        "status": status,
    }


def job(version: int) -> dict[str, Any]:
    """A Job of the run."""
    owner = {
        "apiVersion": "chromasync.dev/v1alpha1",
        "kind": "Invocation",
        "name": "run",
        "uid": "u1",
        "controller": True,
    }
    metadata = run(version)["metadata"]
    labels = {"chromasync.dev/source": "docs", "chromasync.dev/step": "run"}
    whole = {**metadata, "name": "job", "uid": "j1", "labels": labels, "ownerReferences": [owner]}
    return {"metadata": whole}


BOTH = [Key("Invocation", "team", "run"), Key("Source", "team", "docs")]
# News of a run may also change who may start.
DECIDED = [ADMISSION, *BOTH]


def test_news_wakes_the_run_its_source_and_admission_once() -> None:
    cache = Cache()
    assert keys.invocation_changed(cache, run(1), deleted=False) == DECIDED
    assert keys.invocation_changed(cache, run(2), deleted=False) == []
    assert keys.invocation_changed(cache, run(3, startTime="x"), deleted=False) == DECIDED
    assert keys.invocation_changed(cache, run(4), deleted=True) == DECIDED
    assert cache.invocations.places() == set()


def test_older_news_is_ignored() -> None:
    cache = Cache()
    keys.invocation_changed(cache, run(5, startTime="x"), deleted=False)
    assert keys.invocation_changed(cache, run(4), deleted=False) == []
    state = cache.invocations.get(RUN)
    assert state is not None and state.started


def test_the_answer_to_a_write_does_not_bring_back_what_was_deleted() -> None:
    cache = Cache()
    keys.invocation_changed(cache, run(5), deleted=False)
    keys.invocation_changed(cache, run(7), deleted=True)
    assert keys.invocation_changed(cache, run(6), deleted=False) == []
    assert cache.invocations.get(RUN) is None
    # One that was not known yet when its end was told, too.
    keys.job_changed(cache, job(9), deleted=True)
    assert keys.job_changed(cache, job(8), deleted=False) == []
    assert cache.jobs.all() == []


def test_a_successor_of_the_same_name_is_kept() -> None:
    cache = Cache()
    keys.invocation_changed(cache, run(5), deleted=False)
    keys.invocation_changed(cache, run(8, uid="u2"), deleted=False)
    assert keys.invocation_changed(cache, run(7), deleted=True) == []
    state = cache.invocations.get(RUN)
    assert state is not None and state.uid == "u2"


def test_what_a_list_lacks_is_dropped() -> None:
    cache = Cache()
    keys.invocation_changed(cache, run(5), deleted=False)
    keys.job_changed(cache, job(6), deleted=False)
    assert keys.drop_missing(cache, "Invocation", {"u1"}, 10) == []
    assert keys.drop_missing(cache, "Job", set(), 10) == BOTH
    assert cache.jobs.all() == []
    assert keys.drop_missing(cache, "Invocation", set(), 10) == DECIDED
    assert cache.invocations.places() == set()
    # What the watch had still under way does not bring it back.
    assert keys.invocation_changed(cache, run(5), deleted=False) == []


def test_what_came_after_the_list_is_kept() -> None:
    cache = Cache()
    keys.invocation_changed(cache, run(11), deleted=False)
    assert keys.drop_missing(cache, "Invocation", set(), 10) == []
    assert cache.invocations.places() == {RUN}


def test_what_was_removed_long_ago_takes_no_memory() -> None:
    cache = Cache()
    for version in range(1, 100):
        keys.invocation_changed(cache, run(version, uid=f"u{version}"), deleted=True)
    keys.drop_missing(cache, "Invocation", set(), 200)
    keys.drop_missing(cache, "Invocation", set(), 300)
    assert cache.invocations._removed == {}


def pod(version: int, **status: Any) -> dict[str, Any]:
    """A pod of the Job."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": "j1"}
    labels = {"chromasync.dev/source": "docs", "chromasync.dev/invocation-uid": "u1"}
    metadata = run(version)["metadata"] | {
        "name": "pod",
        "uid": "p1",
        "labels": labels,
        "ownerReferences": [owner | {"controller": True}],
    }
    return {"metadata": metadata, "status": {"phase": "Running", **status}}


def test_news_of_a_pod_wakes_its_run() -> None:
    cache = Cache()
    # Its Job wakes the run when it is known.
    assert keys.pod_changed(cache, pod(1), deleted=False) == []
    keys.job_changed(cache, job(2), deleted=False)
    assert keys.pod_changed(cache, pod(3, podIP="10.0.0.1"), deleted=False) == BOTH[:1]
    assert [p.address for p in cache.pods_of("team", "docs")] == ["10.0.0.1"]
    # What is not looked at wakes nobody.
    more = pod(4, podIP="10.0.0.1", conditions=[{"type": "Ready", "status": "False"}])
    assert keys.pod_changed(cache, more, deleted=False) == []
    assert keys.pod_changed(cache, pod(5), deleted=True) == BOTH[:1]
    assert cache.pods_of("team", "docs") == []


def test_a_pod_that_a_list_lacks_is_dropped() -> None:
    cache = Cache()
    keys.job_changed(cache, job(1), deleted=False)
    keys.pod_changed(cache, pod(2), deleted=False)
    assert keys.drop_missing(cache, "Pod", {"p1"}, 10) == []
    assert keys.drop_missing(cache, "Pod", set(), 10) == BOTH[:1]
    assert cache.places("Pod") == set()


def succeeded(status: str, reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Succeeded", "status": status, "reason": reason}]}


@pytest.mark.parametrize(
    ("before", "after", "decides"),
    [
        ({}, succeeded("Unknown", "Pending"), False),
        ({}, {"startTime": "x"}, True),  # the spec of this one can't be read: it was held
        ({"startTime": "x"}, {"startTime": "x", **succeeded("Unknown", "Processing")}, False),
        ({"startTime": "x"}, {"startTime": "x", **succeeded("True", "Complete")}, True),
    ],
)
def test_all_runs_are_looked_at_only_for_what_changes_who_may_start(
    before: dict[str, Any], after: dict[str, Any], decides: bool
) -> None:
    cache = Cache()
    keys.invocation_changed(cache, run(1, **before), deleted=False)
    woken = keys.invocation_changed(cache, run(2, **after), deleted=False)
    assert woken == (DECIDED if decides else BOTH)


def test_a_source_changes_who_may_start_by_being_ready_and_by_its_active_run() -> None:
    cache = Cache()

    def woken(version: int, **changes: Any) -> bool:
        conditions = [{"type": "Ready", "status": "True", "reason": changes.pop("reason", "x")}]
        status = {"observedGeneration": 1, "conditions": conditions, **changes}
        metadata = {"name": "docs", "namespace": "team", "uid": "s", "generation": 1}
        obj = {"metadata": {**metadata, "resourceVersion": str(version)}, "status": status}
        return ADMISSION in keys.source_changed(cache, obj, deleted=False)

    assert woken(1)
    assert not woken(2, reason="y")
    # It takes the place that it was granted, and gives it back.
    assert not woken(3, activeInvocation={"uid": "u"})
    assert not woken(4, activeInvocation={"uid": "other"})
    assert woken(5)
    assert woken(6, observedGeneration=0)
    assert not woken(7, observedGeneration=0, reason="z")
