"""The check of a Source, pass by pass. Every pass goes through the checker of conditions."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.contract import Result
from chroma_sync.api.meta import REQUESTED_AT
from chroma_sync.api.source import Source
from chroma_sync.reconcile.check import RETRIES
from chroma_sync.reconcile.decision import CreateJob, Delete, TryJob
from chroma_sync.reconcile.installation import Installation
from unit.reconcile.build import (
    INSTALLATION,
    MODEL,
    check_job,
    ended,
    later,
    made,
    message,
    pass_source,
    pod,
    ready_source,
    source,
    summary,
)


def test_a_new_source_is_checked() -> None:
    after, decision = pass_source(source())
    assert summary(after) == ("Unknown", "Checking")
    (job,) = made(decision)
    assert job["metadata"]["name"] == check_job(source()).name
    assert [e.type for e in decision.events] == ["Normal"]


def test_a_check_that_goes_on_is_left_alone() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked)
    after, decision = pass_source(asked, jobs=[job], pods=[pod(job)])
    assert summary(after) == ("Unknown", "Checking")
    assert decision.actions == []
    assert decision.requeue_after is not None


def test_a_check_that_passed_makes_it_ready() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked, complete=True, over=True, active=0)
    after, decision = pass_source(asked, jobs=[job])
    assert summary(after) == ("True", "Available")
    assert decision.actions == [Delete("Job", job.name, job.uid)]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result(reason="RepositoryNotFound", message="no such repository"), "RepositoryNotFound"),
        (Result(reason="SecretNotFound", message="no such Secret"), "SecretNotFound"),
        (Result(reason="DatabaseNotFound", message="no such database"), "DatabaseNotFound"),
        (Result(reason="FromAnotherRelease", message="what?"), "PodFailed"),
        (None, "PodFailed"),
    ],
)
def test_a_check_that_failed_is_repeated(result: Result | None, reason: str) -> None:
    asked, _ = pass_source(source())
    job = check_job(asked, failure=("PodFailurePolicy", "x"), over=True, active=0, failed=1)
    after, decision = pass_source(asked, jobs=[job], pods=[ended(job, 64, result)])
    assert summary(after) == ("False", reason)
    if result is not None:
        assert result.message in message(after)
    assert decision.requeue_after is not None and decision.requeue_after <= 10
    assert [e.type for e in decision.events] == ["Warning"]
    # Not before its time, and then with another Job.
    early, decision = pass_source(after, later(9), jobs=[job])
    assert decision.actions == [], "the Job stays, for people look at its log"
    late, decision = pass_source(early, later(10), jobs=[job])
    assert decision.actions[0] == Delete("Job", job.name, job.uid)
    (following,) = made(decision)
    assert following["metadata"]["name"] == check_job(asked, attempts=1).name
    # The failure stands while the next check goes on.
    assert summary(late) == ("False", reason)


def test_a_host_that_asks_to_wait_is_left_alone_so_long() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked, failure=("BackoffLimitExceeded", "x"), over=True, active=0, failed=1)
    limited = Result(reason="RateLimited", message="wait until 14:05", retry_after_seconds=900)
    after, decision = pass_source(asked, jobs=[job], pods=[ended(job, 75, limited)])
    assert summary(after) == ("False", "RateLimited")
    assert "14:05" in message(after)
    early, decision = pass_source(after, later(899))
    assert decision.actions == []
    _, decision = pass_source(early, later(900))
    assert [type(action) for action in decision.actions] == [TryJob, CreateJob]


def test_backoff() -> None:
    assert [RETRIES.delay(n) for n in range(1, 9)] == [10, 20, 40, 80, 160, 300, 300, 300]
    assert RETRIES.delay(10_000) == 300


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"waiting": ("ImagePullBackOff", "no such image")}, "ImagePullFailed", "no such image"),
        ({"waiting": ("ErrImagePull", "refused")}, "ImagePullFailed", "refused"),
        ({"unschedulable": "0/1 nodes fit"}, "Unschedulable", "0/1 nodes fit"),
        ({"waiting": ("CreateContainerError", "bad mount")}, "PodFailed", "bad mount"),
    ],
)
def test_what_keeps_a_check_is_told(fields: dict[str, Any], reason: str, words: str) -> None:
    asked, _ = pass_source(source())
    job = check_job(asked)
    after, decision = pass_source(asked, jobs=[job], pods=[pod(job, phase="Pending", **fields)])
    assert summary(after) == ("False", reason)
    assert words in message(after)
    assert decision.actions == []
    # When it has passed, the Source is being checked again.
    again, _ = pass_source(after, jobs=[job], pods=[pod(job)])
    assert summary(again) == ("Unknown", "Checking")


def test_another_image_makes_another_check() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked)
    installation = INSTALLATION.model_copy(update={"worker_image": "registry.test/worker:2"})
    _, decision = pass_source(asked, jobs=[job], installation=installation)
    assert Delete("Job", job.name, job.uid) in decision.actions
    assert any(isinstance(a, CreateJob) for a in decision.actions)


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"embedding": {"dense": {"model": "acme/other"}}}, "ModelNotServed", "acme/other"),
        ({"deletionPolicy": "Delete"}, "NotImplemented", "deletionPolicy"),
        (
            {"github": {"repository": "a/b"}, "deletionPolicy": "Delete"},
            "NotImplemented",
            "deletionPolicy",
        ),
    ],
)
def test_what_needs_a_person_is_stalled(spec: dict[str, object], reason: str, words: str) -> None:
    after, decision = pass_source(source(spec=spec))
    assert summary(after) == ("False", reason)
    assert after.status.conditions[1].type == "Stalled"
    assert words in message(after)
    assert decision.actions == []


def edited(src: Source, **spec: Any) -> Source:
    """The Source after an edit of its spec."""
    whole = source(spec=spec, status=src.status, generation=src.metadata.generation + 1)
    return src.model_copy(update={"spec": whole.spec, "metadata": whole.metadata})


LOGIN = {"repository": "acme/docs", "credentialsSecretRef": {"name": "login"}}
GLOBS = {"repository": "acme/docs", "includeGlobs": ["*.md"]}


@pytest.mark.parametrize(
    "spec",
    [
        {"github": LOGIN},
        {"jobTemplate": {"resources": {"requests": {"cpu": "1"}}}},
        {"jobTemplate": {"serviceAccountName": "other"}},
    ],
)
def test_what_a_check_depends_on_is_checked_again(spec: dict[str, Any]) -> None:
    after, decision = pass_source(edited(ready_source(), **spec))
    assert summary(after) == ("Unknown", "Checking")
    assert len(made(decision)) == 1


@pytest.mark.parametrize(
    "spec",
    [
        {"suspend": True},
        {"jobTemplate": {"tolerations": [{"operator": "Exists"}]}},
        {"jobTemplate": {"parallelism": 3, "startTimeoutSeconds": 60}},
        {"github": GLOBS},
        {"chunking": {"maxSizeBytes": 100}},
    ],
)
def test_what_a_check_does_not_depend_on_leaves_a_source_ready(spec: dict[str, Any]) -> None:
    after, decision = pass_source(edited(ready_source(), **spec))
    assert summary(after) == ("True", "Available")
    assert after.status.observed_generation == 2
    assert decision.actions == []


def test_of_a_source_in_trouble_each_edit_is_checked() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked)
    stuck, _ = pass_source(asked, jobs=[job], pods=[pod(job, unschedulable="a taint")])
    tolerant = edited(stuck, jobTemplate={"tolerations": [{"operator": "Exists"}]})
    after, decision = pass_source(tolerant, jobs=[job])
    assert summary(after) == ("Unknown", "Checking")
    assert decision.actions[0] == Delete("Job", job.name, job.uid)
    assert len(made(decision)) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"chroma": {"url": "http://other.test:8000"}},
        {"chroma": {"url": "http://chroma.test:8000", "tokenSecret": "new"}},
        {"endpoints": [{"model": MODEL, "url": "http://other.test"}]},
        {"teiTokenSecret": "new"},
    ],
)
def test_other_servers_of_the_installation_bring_another_check(settings: dict[str, Any]) -> None:
    old = INSTALLATION.model_dump(mode="json", by_alias=True, exclude_none=True)
    installation = Installation.model_validate(old | settings)
    after, decision = pass_source(ready_source(), installation=installation)
    assert summary(after) == ("Unknown", "Checking")
    assert len(made(decision)) == 1


def test_what_only_runs_are_told_brings_no_check() -> None:
    installation = INSTALLATION.model_copy(update={"failed_jobs_ttl_seconds": 5})
    after, decision = pass_source(ready_source(), installation=installation)
    assert summary(after) == ("True", "Available")
    assert decision.actions == []


def test_a_check_on_request() -> None:
    ready = ready_source()
    metadata = ready.metadata.model_copy(update={"annotations": {REQUESTED_AT: "now"}})
    after, decision = pass_source(ready.model_copy(update={"metadata": metadata}))
    assert summary(after) == ("Unknown", "Checking")
    assert after.status.last_handled_requested_at == "now"
    assert len(made(decision)) == 1


def test_a_job_of_the_source_for_other_work_is_no_check() -> None:
    asked, _ = pass_source(source())
    going, older = check_job(asked), check_job(asked, attempts=5)
    other = check_job(asked, name="other", uid="other", step=None)
    _, decision = pass_source(asked, jobs=[going, older, other])
    assert decision.actions == [Delete("Job", older.name, older.uid)]
