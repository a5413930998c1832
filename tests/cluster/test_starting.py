"""What the API server, the Job controller and the scheduler keep from starting, and who says so."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.kit.cluster import Object, condition, eventually
from cluster.kit.world import World, unique

pytestmark = pytest.mark.cluster


def made_of(kind: str, namespace: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


def limit_range(namespace: str, memory: str) -> Object:
    limits = [{"type": "Container", "max": {"memory": memory}}]
    return made_of("LimitRange", namespace, "small", {"limits": limits})


def quota(namespace: str, **hard: str) -> Object:
    return made_of("ResourceQuota", namespace, "none", {"hard": hard})


def test_a_check_that_a_limit_range_refuses(world: World, namespace: str) -> None:
    world.cluster.apply(limit_range(namespace, "64Mi"))
    world.cluster.apply(world.source(namespace))
    ready = world.reason("Source", namespace, "shop", "Ready", "PodRefused", seconds=60)
    assert "maximum memory usage per Container is 64Mi" in ready["message"]


def test_a_check_that_a_quota_of_pods_refuses(world: World, namespace: str) -> None:
    world.cluster.apply(quota(namespace, pods="0"))
    world.cluster.apply(world.source(namespace))
    ready = world.reason("Source", namespace, "shop", "Ready", "PodRefused", seconds=60)
    assert "exceeded quota: none" in ready["message"]
    world.cluster.kubectl("-n", namespace, "delete", "resourcequota", "none")
    world.ready(namespace, seconds=180)


def test_a_check_without_its_service_account(world: World, namespace: str) -> None:
    world.cluster.apply(world.source(namespace, jobTemplate={"serviceAccountName": "absent"}))
    ready = world.reason("Source", namespace, "shop", "Ready", "PodRefused", seconds=60)
    assert 'serviceaccount "absent" not found' in ready["message"]
    world.cluster.kubectl("-n", namespace, "create", "serviceaccount", "absent")
    world.ready(namespace, seconds=180)


def test_jobs_that_a_quota_refuses(world: World, namespace: str) -> None:
    """The Source says it before any run does, and becomes Ready by itself."""
    world.cluster.apply(quota(namespace, **{"count/jobs.batch": "0"}))
    world.cluster.apply(world.source(namespace), world.invocation(namespace, "waits"))
    ready = world.reason("Source", namespace, "shop", "Ready", "JobRefused", seconds=60)
    assert "exceeded quota: none" in ready["message"]
    world.cluster.kubectl("-n", namespace, "delete", "resourcequota", "none")
    world.ready(namespace, seconds=120)


def test_a_run_whose_job_a_quota_refuses_at_first(world: World, namespace: str) -> None:
    """Its ConfigMap is there before its Job is, and does for the Job that is taken at last."""
    world.cluster.apply(world.source(namespace))
    world.ready(namespace)
    world.cluster.apply(quota(namespace, **{"count/jobs.batch": "0"}))

    def enforced() -> bool:
        return world.cluster.kubectl(
            *("-n", namespace, "get", "resourcequota", "none", "-o", "jsonpath={.status.hard}")
        ).strip() not in ("", "{}")

    eventually("the quota is known", enforced, 30)
    world.cluster.apply(world.invocation(namespace, unique("refused")))
    world.reason("Invocation", namespace, "run", "Succeeded", "JobRefused", seconds=60)
    world.cluster.kubectl("-n", namespace, "delete", "resourcequota", "none")
    world.succeeded(namespace)
    world.config_maps_gone(namespace)


def test_a_job_that_the_api_server_never_takes(world: World, namespace: str) -> None:
    """The Source is Stalled, and a change of its spec is enough."""
    wrong = {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}
    world.cluster.apply(world.source(namespace, jobTemplate=wrong))
    ready = world.reason("Source", namespace, "shop", "Ready", "JobRefused", seconds=60)
    assert "must be less than or equal to cpu limit" in ready["message"]
    source = world.cluster.get("Source", namespace, "shop")
    assert condition(source, "Stalled")["status"] == "True"
    world.cluster.apply(world.source(namespace))
    world.ready(namespace, seconds=120)


def test_a_run_whose_pod_never_starts(world: World, namespace: str) -> None:
    huge = {"resources": {"requests": {"memory": "900Gi"}}, "startTimeoutSeconds": 60}
    world.cluster.apply(
        world.source(namespace, jobTemplate=huge), world.invocation(namespace, unique("huge"))
    )
    ended = condition(world.ended(namespace, seconds=180), "Succeeded")
    assert (ended["status"], ended["reason"]) == ("False", "Unschedulable")
    assert "startTimeoutSeconds" in ended["message"]
    eventually("the pod is gone", lambda: not world.run_pods(namespace), 60)


def suspend(world: World, namespace: str, job: str, suspended: bool) -> None:
    world.cluster.kubectl(
        *("-n", namespace, "patch", "job", job, "--type=merge"),
        *("-p", f'{{"spec": {{"suspend": {str(suspended).lower()}}}}}'),
    )


def test_a_run_that_a_person_suspends(world: World, namespace: str) -> None:
    world.cluster.apply(world.slow_source(namespace))
    world.ready(namespace)
    world.cluster.apply(world.invocation(namespace, unique("held")))

    def job() -> Any:
        jobs = world.cluster.list("Job", namespace, "chromasync.dev/step=run")
        return jobs[0]["metadata"]["name"] if jobs else None

    name = eventually("the run has a Job", job, 60)
    suspend(world, namespace, name, True)
    seen = world.reason("Invocation", namespace, "run", "Succeeded", "Queued", seconds=30)
    assert seen["status"] == "Unknown"
    assert name in seen["message"]

    def since() -> bool:
        run = world.cluster.get("Invocation", namespace, "run")
        return "since 20" in condition(run, "Succeeded")["message"]

    # The Job controller tells the time a moment after the Job was suspended.
    eventually("since when the Job is suspended", since, 30)
    events = world.cluster.list("Event", namespace)
    queued = [e for e in events if e["reason"] == "Queued"]
    assert [e["type"] for e in queued] == ["Normal"]
    suspend(world, namespace, name, False)
    world.succeeded(namespace)
