"""What a pass decided is carried out, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from chroma_sync.controller.cache import Cache
from chroma_sync.controller.executor import Executor
from chroma_sync.controller.key import Key
from chroma_sync.reconcile.plan import Delete, Plan
from unit.controller.memory_cluster import MemoryCluster
from unit.reconcile.build import as_json, invocation

KEY = Key("Invocation", "team", "first")


def carry_out(cluster: MemoryCluster, action: Any) -> None:
    run = invocation()
    cluster.put(as_json(run))
    plan = Plan(run.status, actions=[action])
    raw = cluster.objects["Invocation", "first"]
    asyncio.run(Executor(cluster, cluster.cache).carry_out(KEY, raw, plan))


def test_an_unknown_action_is_a_fault_and_deletes_nothing() -> None:
    cluster = MemoryCluster(Cache())
    with pytest.raises(AssertionError):
        carry_out(cluster, cast(Any, "an action of another release"))
    assert ("Invocation", "first") in cluster.objects


def test_an_invocation_goes_when_that_was_decided() -> None:
    cluster = MemoryCluster(Cache())
    carry_out(cluster, Delete("Invocation", "first", "run-uid"))
    assert cluster.objects == {}
