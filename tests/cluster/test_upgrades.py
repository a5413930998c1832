"""What an upgrade does around runs: the operator goes and comes, and the CRDs change under it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml

from cluster.kit import installation, servers
from cluster.kit.cluster import Object, eventually
from cluster.kit.world import World, unique

pytestmark = [pytest.mark.cluster, pytest.mark.disturbs]

FEW = {
    "repository": servers.REPOSITORY,
    "baseUrl": servers.GIT_URL,
    "includeGlobs": ["notes/*"],
}
LEASE = ("-n", installation.NAMESPACE, "get", "lease", "chroma-sync-operator", "-o", "yaml")
# From the start of its container to the Lease. Who waits for a Lease that was not given back waits
# 15 s from its own start.
SECONDS = 12.0


def lease(world: World) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(world.cluster.kubectl(*LEASE))
    return found.get("spec") or {}


def operator_pod(world: World) -> Object:
    (pod,) = world.cluster.list("Pod", installation.NAMESPACE, installation.OPERATOR_POD)
    return pod


def until_it_led(world: World) -> float:
    """How many seconds after the start of its container the operator had the Lease."""
    pod, held = operator_pod(world), lease(world)
    assert held["holderIdentity"] == pod["metadata"]["name"]
    (container,) = pod["status"]["containerStatuses"]
    started = datetime.fromisoformat(container["state"]["running"]["startedAt"])
    return (datetime.fromisoformat(held["acquireTime"]) - started).total_seconds()


@pytest.mark.timeout(400)
def test_an_operator_that_stops_gives_the_lease_back(world: World) -> None:
    assert lease(world)["holderIdentity"]
    installation.scale(world.cluster, 0)
    assert not lease(world).get("holderIdentity")
    installation.scale(world.cluster, 1)
    assert until_it_led(world) < SECONDS


@pytest.mark.timeout(400)
def test_an_installation_again_waits_for_no_old_lease(world: World) -> None:
    installation.helm("uninstall", installation.RELEASE, "--namespace", installation.NAMESPACE)
    images = installation.image("OPERATOR_IMAGE"), installation.image("WORKER_IMAGE")
    installation.install(world.cluster, *images)

    def alone() -> bool:
        pods = world.cluster.list("Pod", installation.NAMESPACE, installation.OPERATOR_POD)
        return len(pods) == 1

    eventually("the old operator is gone", alone, 60)
    assert until_it_led(world) < SECONDS


@pytest.fixture
def newer_crds(world: World) -> Iterator[None]:
    """CRDs of a later release: a field with a default is new. In the end they are ours again."""
    ours = [yaml.safe_load(file.read_text()) for file in (installation.CHART / "crds").iterdir()]
    newer = copy.deepcopy(ours)
    for crd in newer:
        (version,) = crd["spec"]["versions"]
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"]["newer"] = {"type": "string", "maxLength": 8, "default": "auto"}
    _apply(world, newer)
    yield
    _apply(world, ours)


def _apply(world: World, crds: list[Object]) -> None:
    command = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    world.cluster.kubectl(*command, stdin=yaml.safe_dump_all(crds))


def identity(world: World) -> tuple[str, int]:
    pod = operator_pod(world)
    return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]


@pytest.mark.timeout(500)
def test_crds_that_change_under_an_operator_stop_nothing(
    world: World, namespace: str, request: pytest.FixtureRequest
) -> None:
    before = identity(world)
    world.cluster.apply(world.source(namespace, "old", github=FEW))
    world.ready(namespace, "old")
    request.getfixturevalue("newer_crds")
    world.cluster.apply(
        world.source(namespace, github=FEW),
        world.invocation(namespace, unique("newer")),
        world.invocation(namespace, unique("newer-old"), name="run-old", source="old"),
    )
    made = world.cluster.get("Source", namespace, "shop") or {}
    assert made["spec"]["newer"] == "auto"
    world.succeeded(namespace)
    world.succeeded(namespace, "run-old")
    assert identity(world) == before
