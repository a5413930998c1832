"""What a pass decided is carried out, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.executor import Executor
from chroma_sync.controller.key import Key
from chroma_sync.reconcile.decision import CreateJob, Decision, Delete
from unit.controller.memory_cluster import MemoryCluster
from unit.reconcile.build import as_json, invocation

KEY = Key("Invocation", "team", "first")


def carry_out(cluster: MemoryCluster, action: Any, executor: Executor | None = None) -> None:
    run = invocation()
    cluster.put(as_json(run))
    decision = Decision(run.status, actions=[action])
    raw = cluster.objects["Invocation", "first"]
    executor = executor or Executor(cluster, cluster.cache)
    asyncio.run(executor.carry_out(KEY, raw, decision))


def test_an_unknown_action_is_a_fault_and_deletes_nothing() -> None:
    cluster = MemoryCluster(Cache())
    with pytest.raises(AssertionError):
        carry_out(cluster, cast(Any, "an action of another release"))
    assert ("Invocation", "first") in cluster.objects


def test_an_invocation_goes_when_that_was_decided() -> None:
    cluster = MemoryCluster(Cache())
    carry_out(cluster, Delete("Invocation", "first", "run-uid"))
    assert cluster.objects == {}


CONFIG_MAP = "first-1-chroma-sync-0123456789abcdef"
METADATA = {"name": "first-1", "namespace": "team", "labels": {}}
JOB = CreateJob(
    {"kind": "Job", "metadata": METADATA},
    {"kind": "ConfigMap", "metadata": {**METADATA, "name": CONFIG_MAP}},
)


def test_a_job_comes_after_its_config_map_and_takes_it_along() -> None:
    cluster = MemoryCluster(Cache())

    def refuse(_: str, manifest: dict[str, Any]) -> None:
        there = CONFIG_MAP in cluster.config_maps
        assert there is (manifest["kind"] == "Job")

    cluster.refuse = refuse
    carry_out(cluster, JOB)
    assert (list(cluster.jobs), list(cluster.config_maps)) == (["first-1"], [CONFIG_MAP])
    uid = cluster.jobs["first-1"]["metadata"]["uid"]
    carry_out(cluster, Delete("Job", "first-1", uid, CONFIG_MAP))
    assert (cluster.jobs, cluster.config_maps) == ({}, {})


def test_a_newer_job_of_the_name_keeps_its_config_map() -> None:
    cluster = MemoryCluster(Cache())
    carry_out(cluster, JOB)
    carry_out(cluster, Delete("Job", "first-1", "uid-of-an-older-one", CONFIG_MAP))
    assert (list(cluster.jobs), list(cluster.config_maps)) == (["first-1"], [CONFIG_MAP])


def test_a_config_map_stays_while_its_job_does() -> None:
    class Failing(MemoryCluster):
        async def delete(self, *_: Any) -> bool:
            raise ClusterError(500, "no")

    cluster = Failing(Cache())
    carry_out(cluster, JOB)
    uid = cluster.jobs["first-1"]["metadata"]["uid"]
    with pytest.raises(ClusterError):
        carry_out(cluster, Delete("Job", "first-1", uid, CONFIG_MAP))
    assert list(cluster.config_maps) == [CONFIG_MAP]


def test_the_no_to_a_config_map_is_told_as_one_to_its_job() -> None:
    cluster = MemoryCluster(Cache())

    def refuse(_: str, manifest: dict[str, Any]) -> None:
        if manifest["kind"] == "ConfigMap":
            raise InvalidError(403, 'configmaps "first-1" is forbidden: exceeded quota')

    cluster.refuse = refuse
    executor = Executor(cluster, cluster.cache)
    with pytest.raises(InvalidError):
        carry_out(cluster, JOB, executor)
    assert cluster.jobs == {}
    rejection = executor.refused[KEY]
    assert (rejection.job, rejection.final) == ("first-1", False)
    assert "exceeded quota" in rejection.message
