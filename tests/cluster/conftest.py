"""One installation of the operator and one set of servers for all cluster tests."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from cluster.kit import installation, servers
from cluster.kit.cluster import Cluster, kubectl_proxy
from cluster.kit.world import World


def image(variable: str) -> str:
    """The image that the runner built."""
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: run these tests with `make test-cluster`"
    return value


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with kubectl_proxy() as proxy, Cluster(proxy) as connected:
        yield connected


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> Iterator[World]:
    """The operator is installed by Helm, and its servers answer."""
    servers.start(cluster, image("FAKES_IMAGE"))
    installation.install(cluster, image("OPERATOR_IMAGE"), image("WORKER_IMAGE"))
    connected = World(cluster)
    yield connected
    connected.close()
    installation.uninstall(cluster)
    servers.stop(cluster)


@pytest.fixture
def namespace(world: World) -> Iterator[str]:
    """A namespace of its own for one test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    world.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    world.cluster.kubectl("delete", "namespace", name, "--wait=false")
