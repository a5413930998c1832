"""What keeps runs from starting or ending: Jobs that the API server refuses, runs in front, a
Source that can't be read, finalizers of others."""

from __future__ import annotations

import asyncio

import pytest

from chroma_sync.api.contract import Step
from chroma_sync.api.meta import Object
from chroma_sync.cluster.errors import ClusterError, InvalidError, WrongFieldsError
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.controller.workqueue import RetryError
from unit.controller.memory_cluster import MemoryCluster
from unit.controller.passing import FIRST, SOURCE, Clock, admit, passes_over, summary
from unit.reconcile.build import as_json, invocation, later, ready_source, source


def refuse(cluster: MemoryCluster, verb: str, error: ClusterError) -> None:
    def no(asked: str, job: Object) -> None:
        if asked == verb:
            raise error

    cluster.refuse = no


def test_wrong_fields_end_the_run_and_the_queue_goes_on() -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="uid-first")))
    passes = passes_over(cluster, clock=Clock(20))
    refuse(cluster, "create", WrongFieldsError(422, "spec.x: Invalid value"))

    async def scenario() -> None:
        await admit(passes)
        with pytest.raises(RetryError):
            await passes.reconcile(FIRST)
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("False", "JobRefused")
        await admit(passes)
        assert "activeInvocation" not in cluster.objects["Source", "docs"]["status"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error", [InvalidError(403, "exceeded quota"), ClusterError(500, "failed calling webhook")]
)
def test_what_may_pass_is_told_and_tried_again(error: ClusterError) -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="uid-first")))
    passes = passes_over(cluster, clock=Clock(20))

    async def scenario() -> None:
        await admit(passes)
        refuse(cluster, "create", error)
        for _ in range(2):
            with pytest.raises(RetryError):
                await passes.reconcile(FIRST)
        assert summary(cluster) == ("Unknown", "JobRefused")
        cluster.refuse = lambda *_: None
        await passes.reconcile(FIRST)
        cluster.show(cluster.pod(cluster.made(Step.RUN)))
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("Unknown", "Processing")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "pair"),
    [
        (WrongFieldsError(422, "spec.x: Invalid value"), "Stalled"),
        (InvalidError(403, "exceeded quota"), "Reconciling"),
    ],
)
def test_no_check_is_made_while_the_job_of_a_run_is_refused(error: ClusterError, pair: str) -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(source()))
    passes = passes_over(cluster, clock=Clock(20))
    refuse(cluster, "try", error)

    async def scenario() -> None:
        with pytest.raises(RetryError):
            await admit(passes)
        if pair == "Stalled":
            await admit(passes)
        else:
            with pytest.raises(RetryError):
                await admit(passes)
        assert summary(cluster, SOURCE) == ("False", "JobRefused")
        assert cluster.objects["Source", "docs"]["status"]["conditions"][1]["type"] == pair
        assert cluster.jobs == {}

    asyncio.run(scenario())


def test_the_events_of_a_job_are_read_only_when_it_has_no_pod() -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(source()))
    passes = passes_over(cluster, clock=Clock(20))
    cluster.why = 'pods "x" is forbidden: maximum memory usage per Container is 64Mi'

    async def scenario() -> None:
        await admit(passes)
        await admit(passes)
        assert summary(cluster, SOURCE) == ("False", "PodRefused")
        assert cluster.requests["list", "Event"] == 1
        cluster.show(cluster.pod(cluster.made(Step.CHECK)))
        await admit(passes)
        assert summary(cluster, SOURCE) == ("Unknown", "Checking")
        assert cluster.requests["list", "Event"] == 1

    asyncio.run(scenario())


def test_the_run_behind_says_whom_it_waits_for() -> None:
    """Also after the one in front of it is gone."""
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    for number, name in enumerate(("first", "second", "third")):
        run = invocation(name=name, uid=f"uid-{name}", created=later(number))
        cluster.put(as_json(run))
    passes = passes_over(cluster, clock=Clock(20))
    third = Key("Invocation", "team", "third")

    def waits_for() -> str:
        return str(cluster.objects["Invocation", "third"]["status"]["conditions"][0]["message"])

    async def scenario() -> None:
        await admit(passes)
        await passes.reconcile(third)
        assert "Invocation second of Source docs" in waits_for()
        second = cluster.objects["Invocation", "second"]
        version = str(int(second["metadata"]["resourceVersion"]) + 100)
        gone = {**second, "metadata": {**second["metadata"], "resourceVersion": version}}
        assert third in keys.invocation_changed(cluster.cache, gone, deleted=True)
        await passes.reconcile(third)
        assert "Invocation first of Source docs" in waits_for()

    asyncio.run(scenario())


@pytest.mark.parametrize("begun", [True, False])
def test_a_run_is_cancelled_whatever_became_of_its_source(begun: bool) -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="u", spec={"ttlSecondsAfterFinished": 9})))
    passes = passes_over(cluster, clock=Clock(20))

    async def scenario() -> None:
        await admit(passes)
        if begun:
            await passes.reconcile(FIRST)
        run = cluster.objects["Invocation", "first"]
        cluster.put({**run, "spec": {**run["spec"], "cancel": True}})
        docs = cluster.objects["Source", "docs"]
        cluster.put({**docs, "spec": {}, "status": {**docs["status"], "check": "unreadable"}})
        await passes.reconcile(FIRST)
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("False", "Cancelled")

    asyncio.run(scenario())


def test_a_run_that_a_foreign_finalizer_holds_is_stopped_and_the_next_one_goes() -> None:
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="uid-first")))
    cluster.put(as_json(invocation(name="second", uid="uid-second", created=later(1))))
    passes = passes_over(cluster, clock=Clock(20))

    async def scenario() -> None:
        await admit(passes)
        await passes.reconcile(FIRST)
        assert len(cluster.jobs) == 1
        run = cluster.objects["Invocation", "first"]
        marked = {**run["metadata"], "deletionTimestamp": "2026-11-24T12:00:09Z"}
        cluster.put({**run, "metadata": marked})
        await passes.reconcile(FIRST)
        assert cluster.jobs == {}
        await passes.reconcile(FIRST)
        assert summary(cluster) == ("False", "Cancelled")
        await admit(passes)
        assert cluster.objects["Source", "docs"]["status"]["activeInvocation"]["name"] == "second"

    asyncio.run(scenario())
