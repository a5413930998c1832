"""Grants to start: decided over what the watches have shown, one for each Source."""

from __future__ import annotations

import asyncio

from chroma_sync.controller.cache import Cache
from chroma_sync.controller.grants import Grants
from chroma_sync.controller.key import ADMISSION, Key, Work
from unit.controller.memory_cluster import MemoryCluster
from unit.controller.passing import FIRST, SECOND, SOURCE, active, admit, passes_over
from unit.reconcile.build import NOW, as_json, invocation, later, ready_source, source

PLACE = ("team", "docs")


def test_a_decision_is_news_once(cluster: MemoryCluster) -> None:
    grants = Grants(cluster.cache)
    assert grants.of(PLACE) == ""
    assert grants.decide(NOW) == [SOURCE]
    assert grants.of(PLACE) == "uid-first"
    assert grants.decide(NOW) == []
    cluster.remove("Invocation", "first")
    assert grants.decide(NOW) == [SOURCE]
    assert grants.of(PLACE) == "uid-second"
    cluster.remove("Invocation", "second")
    assert grants.decide(NOW) == []
    assert grants.of(PLACE) == ""


def test_a_grant_ends_when_the_status_says_so(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)
    asyncio.run(admit(passes))
    assert active(cluster) == "first"
    asyncio.run(passes.reconcile(ADMISSION))
    assert passes._grants.of(PLACE) == ""


def test_a_granted_run_is_being_admitted_for_a_second(cluster: MemoryCluster) -> None:
    grants = Grants(cluster.cache)
    assert grants.being_admitted(FIRST, NOW) == 0
    assert grants.expected(PLACE, NOW) == 0
    grants.decide(NOW)
    assert grants.expected(PLACE, NOW) == 1
    assert grants.being_admitted(FIRST, NOW) == 1
    assert grants.being_admitted(SECOND, NOW) == 0
    # One decision more is no new grant.
    grants.decide(later(0.5))
    assert grants.being_admitted(FIRST, later(0.75)) == 0.25
    assert grants.being_admitted(FIRST, later(1)) == 0
    # A clock that is set back keeps no run silent.
    assert grants.being_admitted(FIRST, later(-1)) == 0


def test_an_admitted_run_and_a_cancelled_one_are_not_being_admitted(cluster: MemoryCluster) -> None:
    grants = Grants(cluster.cache)
    grants.decide(NOW)
    first, docs = cluster.objects["Invocation", "first"], cluster.objects["Source", "docs"]
    cluster.put({**first, "spec": {**first["spec"], "cancel": True}})
    assert grants.being_admitted(FIRST, NOW) == 0
    cluster.put(first)
    assert grants.being_admitted(FIRST, NOW) == 1
    active = {"activeInvocation": {"name": "first", "uid": "uid-first"}}
    cluster.put({**docs, "status": docs["status"] | active})
    assert grants.being_admitted(FIRST, NOW) == 0
    assert grants.expected(PLACE, NOW) == 0


def test_a_source_that_is_not_ready_or_not_there_lets_nobody_start() -> None:
    cluster = MemoryCluster(Cache())
    grants = Grants(cluster.cache)
    cluster.put(as_json(invocation()))
    assert grants.decide(NOW) == []
    cluster.put(as_json(source()))
    assert grants.decide(NOW) == []
    cluster.put(as_json(ready_source(spec={"suspend": True})))
    assert grants.decide(NOW) == []
    # A spec that was edited has not been looked at yet.
    ready = as_json(ready_source())
    cluster.put({**ready, "metadata": {**ready["metadata"], "generation": 2}})
    assert grants.decide(NOW) == []
    cluster.put(ready)
    assert grants.decide(NOW) == [SOURCE]


def test_a_new_run_comes_to_its_place_by_what_it_wakes(cluster: MemoryCluster) -> None:
    """Each pass by the keys that news and passes wake, and by nothing else."""
    passes = passes_over(cluster)
    waiting: list[Work] = [ADMISSION]
    passes.wake = waiting.append

    async def drain() -> None:
        for _ in range(50):
            if not waiting:
                return
            work = waiting.pop(0)
            if not isinstance(work, Key) or work.kind == "Source":
                await passes.reconcile(work)

    asyncio.run(drain())
    assert active(cluster) == "first"
    first = cluster.objects["Invocation", "first"]
    over = {"type": "Succeeded", "status": "False", "reason": "Cancelled", "message": ""}
    times = {"lastTransitionTime": later(5).isoformat(), "observedGeneration": 1}
    cluster.put({**first, "status": {"conditions": [{**over, **times}]}})
    waiting += [ADMISSION, SOURCE]
    asyncio.run(drain())
    assert active(cluster) == "second"
