"""What a Job's pods mount is what the Job says, whatever went before; and it goes with the Job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from chroma_sync.api.contract import Step, configuration_file
from chroma_sync.api.meta import Object
from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.controller import keys
from chroma_sync.controller.passes import Passes
from chroma_sync.controller.workqueue import RetryError
from unit.controller.memory_cluster import MemoryCluster, ended
from unit.controller.passing import DONE, FIRST, SOURCE, admit, begin, passes_over
from unit.reconcile.build import as_json, source


def mounted(job: Object) -> tuple[str, str]:
    """The ConfigMap that a Job's pods mount, and the only file of it that they take."""
    volumes = job["spec"]["template"]["spec"]["volumes"]
    (volume,) = [v["configMap"] for v in volumes if "configMap" in v]
    (item,) = volume["items"]
    return volume["name"], item["path"]


def assert_pods_start(cluster: MemoryCluster) -> None:
    assert cluster.jobs
    for job in cluster.jobs.values():
        name, file = mounted(job)
        (text,) = cluster.config_maps[name]["data"].values()
        assert configuration_file(text.encode()) == file


async def passes_until_made(cluster: MemoryCluster, passes: Passes) -> None:
    for _ in range(4):
        if cluster.jobs:
            return
        try:
            await passes.reconcile(FIRST)
        except RetryError:
            continue


@pytest.mark.parametrize(
    "error", [InvalidError(403, "exceeded quota"), ClusterError(500, "no webhook")]
)
def test_a_job_that_was_refused_at_first(cluster: MemoryCluster, error: ClusterError) -> None:
    refusals: Iterator[ClusterError] = iter([error])

    def refuse(verb: str, manifest: Object) -> None:
        if (verb, manifest["kind"]) == ("create", "Job") and (no := next(refusals, None)):
            raise no

    passes = passes_over(cluster)

    async def scenario() -> None:
        await admit(passes)
        cluster.refuse = refuse
        await passes_until_made(cluster, passes)

    asyncio.run(scenario())
    assert next(refusals, None) is None
    assert_pods_start(cluster)
    assert len(cluster.config_maps) == 1


def test_an_operator_that_died_between_config_map_and_job(cluster: MemoryCluster) -> None:
    class Died(BaseException):
        pass

    def die(verb: str, manifest: Object) -> None:
        if (verb, manifest["kind"]) == ("create", "Job"):
            raise Died

    async def scenario() -> None:
        passes = passes_over(cluster)
        await admit(passes)
        cluster.refuse = die
        with pytest.raises(Died):
            await passes.reconcile(FIRST)
        assert len(cluster.config_maps) == 1
        cluster.refuse = lambda *_: None
        await passes_until_made(cluster, passes_over(cluster))

    asyncio.run(scenario())
    assert_pods_start(cluster)
    assert len(cluster.config_maps) == 1


def test_a_job_that_a_person_deleted_in_mid_run(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        await cluster.delete("Job", "team", job["metadata"]["name"], job["metadata"]["uid"])
        await passes.reconcile(FIRST)
        assert cluster.made(Step.RUN)["metadata"]["uid"] != job["metadata"]["uid"]

    asyncio.run(scenario())
    assert_pods_start(cluster)
    assert len(cluster.config_maps) == 1


def test_it_goes_when_the_run_has_ended(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        job = await begin(cluster, passes)
        cluster.show(cluster.pod(job, **ended(DONE)))
        cluster.end_job(job["metadata"]["name"], "Complete")
        for _ in range(2):
            await passes.reconcile(FIRST)

    asyncio.run(scenario())
    assert (cluster.jobs, cluster.config_maps) == ({}, {})


def test_a_job_of_others_with_our_owner_takes_no_config_map_along(cluster: MemoryCluster) -> None:
    """It is deleted for one of a check that is no longer wanted."""
    cluster.put(as_json(source()))
    passes = passes_over(cluster)

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        check = cluster.made(Step.CHECK)
        metadata = {**check["metadata"], "name": "app-settings"}
        theirs = {"kind": "ConfigMap", "metadata": {**metadata, "ownerReferences": []}}
        await cluster.create_config_map(theirs)
        hostile = await cluster.create_job({**check, "metadata": metadata})
        keys.job_changed(cluster.cache, hostile, deleted=False)
        await passes.reconcile(SOURCE)

    asyncio.run(scenario())
    assert "app-settings" not in cluster.jobs
    assert "app-settings" in cluster.config_maps
    assert len(cluster.config_maps) == 2
