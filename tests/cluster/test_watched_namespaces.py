"""An operator that serves some namespaces: it works there, and may do nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.kit import installation, servers
from cluster.kit.world import World, unique

pytestmark = [pytest.mark.cluster, pytest.mark.disturbs]

FEW = {
    "repository": servers.REPOSITORY,
    "baseUrl": servers.GIT_URL,
    "includeGlobs": ["notes/*"],
}
ACCOUNT = f"--as=system:serviceaccount:{installation.NAMESPACE}:{installation.SERVICE_ACCOUNT}"


@pytest.fixture
def elsewhere(world: World, namespace: str) -> Iterator[str]:
    """A namespace that is not watched. In the end all are, again."""
    name = unique("elsewhere")
    world.cluster.apply(*installation.namespace(name))
    images = installation.image("OPERATOR_IMAGE"), installation.image("WORKER_IMAGE")
    installation.install(world.cluster, *images, watchNamespaces=[namespace])
    yield name
    installation.install(world.cluster, *images)
    world.cluster.kubectl("delete", "namespace", name, "--wait=false")


def may(world: World, verb: str, what: str, namespace: str) -> bool:
    """Whether the operator may do something in a namespace."""
    command = ("auth", "can-i", verb, what, ACCOUNT, "-n", namespace)
    return world.cluster.kubectl(*command, check=False).strip() == "yes"


@pytest.mark.timeout(500)
def test_only_what_is_watched_is_served(world: World, namespace: str, elsewhere: str) -> None:
    for name in (elsewhere, namespace):
        world.cluster.apply(
            world.source(name, github=FEW), world.invocation(name, unique("watched"))
        )
    world.ready(namespace)
    world.succeeded(namespace)
    for kind, name in (("Source", "shop"), ("Invocation", "run")):
        found = world.cluster.get(kind, elsewhere, name)
        assert found is not None
        assert "conditions" not in (found.get("status") or {})
    for verb, what in (("list", "pods"), ("create", "jobs.batch"), ("get", "sources")):
        assert may(world, verb, what, namespace)
        assert not may(world, verb, what, elsewhere)
    # What waited is served when all namespaces are.
    images = installation.image("OPERATOR_IMAGE"), installation.image("WORKER_IMAGE")
    installation.install(world.cluster, *images)
    world.succeeded(elsewhere)


@pytest.mark.timeout(600)
def test_a_watched_namespace_that_is_deleted_costs_itself(world: World, namespace: str) -> None:
    """Its Role is gone with it: no watch of it is allowed any more."""
    other = unique("watched")
    world.cluster.apply(*installation.namespace(other))
    images = installation.image("OPERATOR_IMAGE"), installation.image("WORKER_IMAGE")
    both = [namespace, other]
    installation.install(world.cluster, *images, watchNamespaces=both)
    try:
        world.cluster.kubectl("delete", "namespace", other, "--timeout=120s")
        installation.kill_operator(world.cluster)
        world.cluster.apply(world.source(namespace, github=FEW))
        world.ready(namespace, seconds=120)
        # It is watched again when it and its Role are there.
        world.cluster.apply(*installation.namespace(other), world.source(other, github=FEW))
        installation.install(world.cluster, *images, watchNamespaces=both)
        world.ready(other, seconds=150)
    finally:
        installation.install(world.cluster, *images)
        world.cluster.kubectl("delete", "namespace", other, "--wait=false")
