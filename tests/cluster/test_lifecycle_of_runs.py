"""Many runs, edits, cancels and deletes: what people do to objects while runs go."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cluster.kit import installation, servers
from cluster.kit.cluster import condition, eventually
from cluster.kit.world import ACTIVE, World, unique
from unit.conditions_invariants import check as check_conditions

pytestmark = pytest.mark.cluster

FEW = {
    "repository": servers.REPOSITORY,
    "baseUrl": servers.GIT_URL,
    "includeGlobs": ["notes/*"],
}


@pytest.mark.timeout(500)
def test_twenty_invocations_at_once(world: World, namespace: str) -> None:
    world.cluster.apply(world.source(namespace, github=FEW))
    world.ready(namespace)
    names = [f"run-{i:02}" for i in range(20)]
    world.cluster.apply(
        *(world.invocation(namespace, unique("twenty"), name=name) for name in names)
    )
    most_jobs = 0
    give_up_at = time.monotonic() + 400
    left = set(names)
    while left:
        assert time.monotonic() < give_up_at, world.describe(namespace)
        pods = [p for p in world.run_pods(namespace) if p["status"]["phase"] in ACTIVE]
        most_jobs = max(most_jobs, len({p["metadata"]["labels"]["job-name"] for p in pods}))
        assert most_jobs <= 1, [p["metadata"]["name"] for p in pods]
        for item in world.cluster.list("Invocation", namespace):
            check_conditions(item)
            if condition(item, "Succeeded").get("status") == "True":
                left.discard(item["metadata"]["name"])
            assert condition(item, "Succeeded").get("status") != "False", world.describe(namespace)
        time.sleep(0.2)
    assert most_jobs == 1


def test_a_waiting_run_is_cancelled(world: World, namespace: str) -> None:
    world.cluster.apply(world.source(namespace, suspend=True), world.invocation(namespace, "w-w"))
    world.reason("Invocation", namespace, "run", "Succeeded", "Suspended")
    world.cluster.patch("Invocation", namespace, "run", {"spec": {"cancel": True}})
    assert condition(world.ended(namespace, seconds=5), "Succeeded")["reason"] == "Cancelled"


def test_time_to_live_and_events(world: World, namespace: str) -> None:
    world.cluster.apply(
        world.source(namespace, github=FEW),
        world.invocation(namespace, unique("ttl"), ttlSecondsAfterFinished=3),
    )
    world.reason("Invocation", namespace, "run", "Succeeded", "Complete", seconds=120)
    eventually(
        "the Invocation is deleted",
        lambda: world.cluster.get("Invocation", namespace, "run") is None,
        30,
    )
    events = world.cluster.list("Event", namespace)
    seen = {(e["involvedObject"]["kind"], e["reason"]) for e in events}
    assert ("Source", "Available") in seen
    assert ("Invocation", "Complete") in seen


def test_a_new_check_is_asked_for(world: World, namespace: str) -> None:
    world.cluster.apply(world.source(namespace))
    world.ready(namespace)
    mark = {"metadata": {"annotations": {"chromasync.dev/requested-at": "now-1"}}}
    world.cluster.patch("Source", namespace, "shop", mark)

    def handled() -> bool:
        status = (world.cluster.get("Source", namespace, "shop") or {})["status"]
        return bool(status.get("lastHandledRequestedAt") == "now-1")

    eventually("the request is handled", handled, 60)
    world.ready(namespace)


def test_rights(world: World, namespace: str) -> None:
    """The operator reads no Secrets and no logs, and the workers hold no Kubernetes token."""
    account = f"--as=system:serviceaccount:{installation.NAMESPACE}:{installation.SERVICE_ACCOUNT}"
    for verb, what in (
        *(("get", "secrets"), ("list", "secrets"), ("create", "pods"), ("get", "configmaps")),
        *(("list", "configmaps"), ("update", "configmaps"), ("patch", "configmaps")),
        *(("get", "pods --subresource=log"), ("create", "pods --subresource=exec")),
        ("delete", "sources.chromasync.dev"),
    ):
        answer = world.cluster.kubectl(
            "auth", "can-i", verb, *what.split(), account, "-n", namespace, check=False
        )
        assert answer.strip() == "no", (verb, what)
    world.cluster.apply(world.source(namespace, github=FEW), world.invocation(namespace, "r-r"))

    def pod() -> dict[str, Any] | None:
        return next(iter(world.run_pods(namespace)), None)

    spec = eventually("a pod", pod, 60)["spec"]
    assert spec["automountServiceAccountToken"] is False
    mounts = [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]]
    assert not any("kubernetes.io" in path for path in mounts)
    security = spec["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    world.ended(namespace)


def test_health_and_metrics(world: World) -> None:
    metrics = world.operator_get("metrics")
    assert "chroma_sync" in metrics
    assert world.operator_get("healthz")
