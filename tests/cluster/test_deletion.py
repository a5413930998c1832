"""Objects that people delete: what Kubernetes does with their Jobs, and what finalizers hold up."""

from __future__ import annotations

import pytest

from cluster.kit.cluster import condition, eventually
from cluster.kit.world import ACTIVE, World, unique

pytestmark = pytest.mark.cluster

FINALIZER = "tests.chromasync.dev/backup"


def hold(world: World, kind: str, namespace: str, name: str) -> None:
    """Put a finalizer on an object, as Argo CD's hooks and backup tools do."""
    world.cluster.patch(kind, namespace, name, {"metadata": {"finalizers": [FINALIZER]}})


def release(world: World, kind: str, namespace: str, name: str) -> None:
    world.cluster.patch(kind, namespace, name, {"metadata": {"finalizers": None}})


def test_a_run_that_a_finalizer_holds_up(world: World, namespace: str) -> None:
    """The default deletion leaves its Jobs alone until the object is gone: the operator does not.
    The next run of the Source does not wait for the finalizer."""
    world.cluster.apply(world.source(namespace))
    world.ready(namespace)
    world.cluster.apply(world.invocation(namespace, unique("held")))
    eventually("the run has a pod", lambda: world.run_pods(namespace), 60)
    hold(world, "Invocation", namespace, "run")
    world.cluster.kubectl("-n", namespace, "delete", "invocation", "run", "--wait=false")
    ended = condition(world.ended(namespace, seconds=60), "Succeeded")
    assert (ended["status"], ended["reason"]) == ("False", "Cancelled")
    assert "is being deleted" in ended["message"]
    assert not [p for p in world.run_pods(namespace) if p["status"]["phase"] in ACTIVE]
    world.cluster.apply(world.invocation(namespace, unique("next"), name="next"))
    eventually("the next run has a pod", lambda: world.run_pods(namespace), 60)
    release(world, "Invocation", namespace, "run")


def test_a_source_that_a_finalizer_holds_up(world: World, namespace: str) -> None:
    nowhere = {"nodeSelector": {"nowhere": "true"}}
    world.cluster.apply(world.source(namespace, jobTemplate=nowhere))
    world.reason("Source", namespace, "shop", "Ready", "Unschedulable")
    hold(world, "Source", namespace, "shop")
    world.cluster.kubectl("-n", namespace, "delete", "source", "shop", "--wait=false")
    world.reason("Source", namespace, "shop", "Ready", "Terminating")
    eventually("its check is gone", lambda: not world.cluster.list("Job", namespace), 30)
    release(world, "Source", namespace, "shop")


def test_a_foreground_deletion_waits_for_the_pods(world: World, namespace: str) -> None:
    world.cluster.apply(world.source(namespace))
    world.ready(namespace)
    world.cluster.apply(world.invocation(namespace, unique("foreground")))
    eventually("the run has a pod", lambda: world.run_pods(namespace), 60)
    world.cluster.kubectl(
        *("-n", namespace, "delete", "invocation", "run"),
        *("--cascade=foreground", "--timeout=60s"),
    )
    assert world.run_pods(namespace) == []
