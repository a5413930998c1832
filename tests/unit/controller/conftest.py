from __future__ import annotations

import pytest

from chroma_sync.controller.cache import Cache
from unit.controller.memory_cluster import MemoryCluster
from unit.reconcile.build import as_json, invocation, later, ready_source


@pytest.fixture
def cluster() -> MemoryCluster:
    """A ready Source with two Invocations."""
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="uid-first")))
    cluster.put(as_json(invocation(name="second", uid="uid-second", created=later(1))))
    return cluster
