"""From a pod to its Job, to the Invocation, to the Source."""

from __future__ import annotations

import asyncio

from chroma_sync.api.contract import Step
from chroma_sync.controller.owners import job_of, owner_of, source_of
from chroma_sync.reconcile.observed import pod_state
from chroma_sync.reconcile.owners import NOBODY, Reference
from unit.controller.memory_cluster import MemoryCluster
from unit.controller.passing import FIRST, SOURCE, begin, passes_over


def test_each_link_is_found_by_its_uid(cluster: MemoryCluster) -> None:
    asyncio.run(begin(cluster, passes_over(cluster)))
    job, cache = cluster.made(Step.RUN), cluster.cache
    pod = pod_state(cluster.pod(job))
    found = job_of(cache, "team", pod)
    assert found is not None
    assert found.uid == job["metadata"]["uid"]
    assert owner_of(cache, "team", pod.owner) == FIRST
    assert source_of(cache, FIRST) == SOURCE
    # One of that name that was deleted and made again is another one.
    assert owner_of(cache, "team", Reference("Job", found.name, "another")) is None
    assert owner_of(cache, "elsewhere", pod.owner) is None


def test_what_is_not_known_is_nobodys(cluster: MemoryCluster) -> None:
    assert owner_of(cluster.cache, "team", NOBODY) is None
    assert owner_of(cluster.cache, "team", Reference("Job", "unknown", "u")) is None
    assert owner_of(cluster.cache, "team", Reference("Source", "docs", "u")) == SOURCE
    assert source_of(cluster.cache, FIRST._replace(name="unknown")) is None
    assert source_of(cluster.cache, SOURCE) is None
