"""Passes against a cluster in memory: what one forgets, tells, and tries again."""

from __future__ import annotations

import asyncio

import pytest

from chroma_sync.api.meta import Object
from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.cluster.interface import Kind
from chroma_sync.controller.workqueue import RetryError
from unit.controller.memory_cluster import MemoryCluster
from unit.controller.passing import (
    FIRST,
    SOURCE,
    admit,
    begin,
    passes_over,
)


def test_events_are_told_even_when_an_action_fails(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def refused(job: Object) -> Object:
        raise ClusterError(500, "no")

    async def scenario() -> None:
        await admit(passes)
        cluster.events.clear()
        cluster.create_job = refused  # type: ignore[method-assign]
        with pytest.raises(RetryError):
            await passes.reconcile(FIRST)
        assert cluster.events == ["Processing"]

    asyncio.run(scenario())


def test_what_belongs_to_a_deleted_run_is_forgotten(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        await begin(cluster, passes)
        assert len(passes._remembered) == 1
        cluster.remove("Invocation", "first")
        await passes.reconcile(FIRST)
        assert len(passes._remembered) == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "refused"), [(InvalidError(422, "no"), True), (ClusterError(500, "no"), False)]
)
def test_a_refusal_is_a_retry_that_is_told_at_once(
    cluster: MemoryCluster, error: ClusterError, refused: bool
) -> None:
    async def fails(kind: Kind, namespace: str, name: str) -> Object | None:
        raise error

    cluster.read = fails  # type: ignore[method-assign]
    with pytest.raises(RetryError) as raised:
        asyncio.run(passes_over(cluster).reconcile(SOURCE))
    assert raised.value.refused is refused
