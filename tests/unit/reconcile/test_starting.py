"""Jobs that are refused, held, or whose pods don't start: told, waited for, and ended in time."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.contract import Step
from chroma_sync.api.invocation import Invocation
from chroma_sync.reconcile.decision import CreateJob, Decision, Delete, JobRejection, TryJob
from chroma_sync.reconcile.observed import job_state, pod_state
from unit.reconcile.build import (
    begun,
    check_job,
    ended,
    going,
    invocation,
    later,
    made,
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

QUOTA = 'pods "x" is forbidden: exceeded quota: small'
LIMIT = 3600  # the default


def rejection(decision: Decision[Any], *, final: bool) -> JobRejection:
    """The API server's no to the first Job of a pass."""
    action = (
        decision.actions[-1] if not isinstance(decision.actions[0], TryJob) else decision.actions[0]
    )
    assert isinstance(action, CreateJob | TryJob)
    return JobRejection(action.manifest["metadata"]["name"], "spec.x: Invalid value", final)


def test_wrong_fields_end_a_run() -> None:
    """Its configuration is fixed: the same Job would be refused for ever, and the queue with it."""
    src, run, decision = begun()
    after, decision = pass_invocation(run, source=src, refused=rejection(decision, final=True))
    assert summary(after) == ("False", "JobRefused")
    assert "spec.x: Invalid value" in message(after)
    assert made(decision) == []
    # The next run does not meet the same: the Source asks first.
    src, _ = pass_source(src, invocations=[state(after)])
    assert summary(src) == ("False", "JobRefused")
    assert src.status.active_invocation is None


def test_a_quota_is_waited_for_and_not_for_ever() -> None:
    src, run, decision = begun()
    seen: dict[str, Any] = {"source": src, "refused": rejection(decision, final=False)}
    after, decision = pass_invocation(run, later(LIMIT - 1), **seen)
    assert summary(after) == ("Unknown", "JobRefused")
    assert len(made(decision)) == 1
    assert decision.requeue_after == 1
    after, decision = pass_invocation(after, later(LIMIT), **seen)
    assert summary(after) == ("False", "JobRefused")
    assert "startTimeoutSeconds" in message(after)
    assert decision.actions == []


def test_a_restart_of_the_operator_gives_a_refused_run_no_more_time() -> None:
    """What the last operator was told stands in the status, with the time of the first no."""
    src, run, decision = begun()
    refused, _ = pass_invocation(
        run, later(9), source=src, refused=rejection(decision, final=False)
    )
    again, decision = pass_invocation(refused, later(LIMIT - 1), source=src)
    assert summary(again) == ("Unknown", "JobRefused")
    assert message(again) == message(refused)
    assert len(made(decision)) == 1
    assert decision.events == []
    after, decision = pass_invocation(again, later(LIMIT), source=src)
    assert summary(after) == ("False", "JobRefused")
    assert decision.actions == []


def test_the_refusal_of_an_earlier_step_takes_no_time_from_the_next() -> None:
    src, run, decision = begun(jobTemplate={"parallelism": 2})
    refused, _ = pass_invocation(run, source=src, refused=rejection(decision, final=False))
    done = {"complete": True, "over": True, "active": 0, "created": later(LIMIT - 9)}
    planned = step_job(run, Step.PLAN, **done)
    after, decision = pass_invocation(refused, later(LIMIT + 9), source=src, jobs=[planned])
    assert summary(after) == ("Unknown", "Processing")
    assert len(made(decision)) == 1
    assert after.status.starting_since == "2026-11-24T13:00:09Z"


def test_a_refusal_of_another_job_says_nothing() -> None:
    src, run, _ = begun()
    after, decision = pass_invocation(
        run, source=src, refused=JobRejection("other", "no", final=True)
    )
    assert summary(after) == ("Unknown", "Processing")
    assert len(made(decision)) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"waiting": ("ImagePullBackOff", "x")}, "ImagePullFailed"),
        ({"unschedulable": "no node"}, "Unschedulable"),
        ({"waiting": ("ContainerCreating", "")}, "PodFailed"),
        ({}, "PodFailed"),
    ],
)
def test_a_pod_that_never_starts_ends_the_run(fields: dict[str, Any], reason: str) -> None:
    src, run, job = going({"jobTemplate": {"startTimeoutSeconds": 60}})
    seen: dict[str, Any] = {"source": src, "jobs": [job], "pods": [pod(job, phase="Pending")]}
    seen["pods"] = [pod(job, phase="Pending", **fields)]
    waits, _ = pass_invocation(run, later(59), **seen)
    assert summary(waits)[0] == "Unknown"
    after, decision = pass_invocation(waits, later(60), **seen)
    assert summary(after) == ("False", reason)
    assert "startTimeoutSeconds" in message(after)
    assert decision.actions == [Delete("Job", job.name, job.uid)]


def test_time_at_work_is_not_time_to_start() -> None:
    """After hours of work the pod is drained with its node, and the next one waits for another."""
    src, run, job = going()
    at_work, _ = pass_invocation(run, later(60), source=src, jobs=[job], pods=[pod(job)])
    assert at_work.status.starting_since is None
    again, _ = pass_invocation(at_work, later(9_000), source=src, jobs=[job])
    assert summary(again)[0] == "Unknown"
    assert again.status.starting_since == "2026-11-24T14:30:00Z"


def test_a_pause_between_two_tries_is_not_time_to_start() -> None:
    src, run, job = going({"jobTemplate": {"startTimeoutSeconds": 60}}, failed=1)
    seen: dict[str, Any] = {"source": src, "jobs": [job], "pods": [ended(job, 75)]}
    pausing, _ = pass_invocation(run, later(500), **seen)
    assert summary(pausing)[0] == "Unknown"
    over, _ = pass_invocation(pausing, later(2_000), **seen)
    assert summary(over)[0] == "False"


def test_each_step_has_its_own_time() -> None:
    src, run, _ = begun(jobTemplate={"parallelism": 2})
    planned = step_job(run, Step.PLAN, complete=True, over=True, active=0)
    run, decision = pass_invocation(run, later(LIMIT + 9), source=src, jobs=[planned])
    assert summary(run)[0] == "Unknown"
    assert len(made(decision)) == 1


def test_why_a_run_has_no_pod() -> None:
    src, run, job = going()
    seen: dict[str, Any] = {"source": src, "jobs": [job], "no_pods": {job.name: QUOTA}}
    after, _ = pass_invocation(run, later(20), **seen)
    assert summary(after) == ("Unknown", "PodRefused")
    assert QUOTA in message(after)
    over, decision = pass_invocation(after, later(LIMIT), **seen)
    assert summary(over) == ("False", "PodRefused")
    assert decision.actions == [Delete("Job", job.name, job.uid)]


def test_why_a_check_has_no_pod() -> None:
    asked, _ = pass_source(source())
    job = check_job(asked)
    early, decision = pass_source(asked, later(1), jobs=[job])
    assert summary(early) == ("Unknown", "Checking")
    assert decision.requeue_after == 14
    after, _ = pass_source(asked, later(15), jobs=[job], no_pods={job.name: QUOTA})
    assert summary(after) == ("False", "PodRefused")
    assert QUOTA in message(after)
    unknown, _ = pass_source(asked, later(15), jobs=[job])
    assert summary(unknown) == ("False", "PodFailed")
    assert f"kubectl describe job {job.name}" in message(unknown)


@pytest.mark.parametrize(
    "fields",
    [{"suspended": True, "suspended_since": "2026-11-24T12:00:00Z"}, {"suspended": True}],
)
def test_a_run_in_a_queue_is_calm_and_has_time(fields: dict[str, Any]) -> None:
    src, run, job = going(active=0, **fields)
    after, decision = pass_invocation(run, later(9 * LIMIT), source=src, jobs=[job])
    assert summary(after) == ("Unknown", "Queued")
    assert fields.get("suspended_since", "suspended") in message(after)
    assert [e.type for e in decision.events] == ["Normal"]
    goes, _ = pass_invocation(after, later(9 * LIMIT + 1), source=src, jobs=[step_job(run)])
    assert goes.status.starting_since == "2026-11-24T21:00:01Z"


def test_a_pod_in_a_queue_is_calm_and_has_time() -> None:
    src, run, job = going()
    pods = [pod(job, phase="Pending", gated=True)]
    after, _ = pass_invocation(run, later(9 * LIMIT), source=src, jobs=[job], pods=pods)
    assert summary(after) == ("Unknown", "Queued")


def test_a_check_in_a_queue_is_calm() -> None:
    asked, _ = pass_source(source())
    after, decision = pass_source(
        asked, later(900), jobs=[check_job(asked, suspended=True, active=0)]
    )
    assert summary(after) == ("Unknown", "Queued")
    assert [e.type for e in decision.events] == ["Normal"]
    again, _ = pass_source(after, later(901), jobs=[check_job(asked, created=later(900))])
    assert summary(again) == ("Unknown", "Checking")


def test_what_holds_a_job_is_read() -> None:
    since = "2026-01-01T00:00:00Z"
    condition = {"type": "Suspended", "status": "True", "lastTransitionTime": since}
    status = {"conditions": [condition]}
    job = {"metadata": {"name": "j"}, "spec": {"suspend": True}, "status": status}
    found = job_state(job)
    assert (found.suspended, found.suspended_since) == (True, since)
    gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    found_pod = pod_state({"metadata": {"name": "p"}, "status": {"conditions": [gate]}})
    assert (found_pod.gated, found_pod.unschedulable) == (True, "")


def test_a_check_asks_for_the_job_of_a_run_first() -> None:
    resources = {"requests": {"memory": "3Gi"}}
    template = {"jobTemplate": {"parallelism": 3, "resources": resources}}
    _, decision = pass_source(source(spec=template))
    trial, check = decision.actions
    assert isinstance(trial, TryJob)
    assert isinstance(check, CreateJob)
    assert trial.manifest["spec"]["completionMode"] == "Indexed"
    assert trial.manifest["metadata"]["name"] != check.manifest["metadata"]["name"]
    (container,) = trial.manifest["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"memory": "3Gi"}


def test_a_source_whose_runs_are_refused_is_stalled_until_it_changes() -> None:
    asked, decision = pass_source(source())
    refused = rejection(decision, final=True)
    after, decision = pass_source(asked, refused=refused)
    assert summary(after) == ("False", "JobRefused")
    assert after.status.conditions[1].type == "Stalled"
    assert decision.actions == []
    edited = after.model_copy(
        update={"metadata": after.metadata.model_copy(update={"generation": 2})}
    )
    again, decision = pass_source(edited, refused=refused)
    assert summary(again) == ("Unknown", "Checking")
    assert len(made(decision)) == 1


def test_a_source_whose_runs_a_quota_refuses_asks_again() -> None:
    asked, decision = pass_source(source())
    after, decision = pass_source(asked, refused=rejection(decision, final=False))
    assert summary(after) == ("False", "JobRefused")
    assert [type(action) for action in decision.actions] == [TryJob, CreateJob]
    assert after.status.conditions[1].type == "Reconciling"


def test_the_time_to_start_of_an_old_configuration_is_the_default() -> None:
    src, run, _ = begun(invocation())
    configuration = dict(run.status.configuration or {})
    template = {k: v for k, v in configuration["jobTemplate"].items() if k != "startTimeoutSeconds"}
    configuration["jobTemplate"] = template
    old = Invocation.model_validate(run).model_copy(
        update={"status": run.status.model_copy(update={"configuration": configuration})}
    )
    after, _ = pass_invocation(old, later(LIMIT - 1), source=src, jobs=[step_job(run)])
    assert summary(after)[0] == "Unknown"


def test_a_ready_source_asks_for_nothing() -> None:
    _, decision = pass_source(ready_source())
    assert decision.actions == []
