"""One installation of the operator and one set of servers for all cluster tests: see inside.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from cluster.kit import installation
from cluster.kit.cluster import Cluster, kubectl_proxy
from cluster.kit.world import World

# Files whose tests go one after another, and which of them share a process: three use the slow TEI
# server and the gate, the others what was made for the whole file.
IN_ONE_PROCESS = {
    "test_crashes.py": "slow TEI",
    "test_hostile_objects.py": "slow TEI",
    "test_mid_run.py": "slow TEI",
    "test_runs.py": "runs",
    "test_invalid_objects.py": "objects",
    "test_model_agrees.py": "objects",
    "test_schema.py": "objects",
}


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """Tests go to whichever process is free. xdist's own `loadgroup` does the same by marks, but
    from pytest 9.2 on it silently groups nothing."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return IN_ONE_PROCESS.get(file, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    return Scheduler(config, log)


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
    world.cluster.apply(*installation.namespace(name))
    yield name
    world.cluster.kubectl("delete", "namespace", name, "--wait=false")
