"""One installation of the operator and one set of servers for all cluster tests: see inside.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from cluster.kit.cluster import Cluster, kubectl_proxy
from cluster.kit.world import World


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with kubectl_proxy() as proxy, Cluster(proxy) as connected:
        yield connected


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> Iterator[World]:
    """The operator and the servers, which `inside.py` has installed for all processes of tests."""
    connected = World(cluster)
    yield connected
    connected.close()


@pytest.fixture
def namespace(world: World) -> Iterator[str]:
    """A namespace of its own for one test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    world.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    world.cluster.kubectl("delete", "namespace", name, "--wait=false")
