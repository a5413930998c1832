"""How the operator begins: nothing is worked on before everything is watched."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from kopf._cogs.structs.references import Resource

from chroma_sync.cluster.errors import ClusterError
from chroma_sync.controller import main
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.http import Health
from chroma_sync.controller.watch import WATCHED, Watched
from unit.controller import virtual_time


class Served:
    """An API server that gives one answer after the other to what it does not serve."""

    def __init__(self, *answers: frozenset[str] | ClusterError) -> None:
        self._answers = list(answers)
        self.said: list[str] = []
        self.health = Health()

    async def unserved(self) -> frozenset[str]:
        self.said.append(self.health.waits_for)
        answer = self._answers.pop(0)
        if isinstance(answer, ClusterError):
            raise answer
        return answer


BOTH = frozenset({"sources", "invocations"})


def test_crds_that_come_later_are_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    down = ClusterError(0, "no answer")
    cluster: Any = Served(BOTH, down, BOTH, frozenset({"invocations"}), frozenset())
    with caplog.at_level(logging.INFO):
        virtual_time.run(main._wait_until_served(cluster, cluster.health))
    both = "the CRDs of invocations and sources.chromasync.dev"
    one = "the CRDs of invocations.chromasync.dev"
    assert cluster.said == ["the API server", both, both, both, one]
    told = [record.getMessage() for record in caplog.records]
    # Each state is told once.
    assert [line.partition(":")[0] for line in told] == [
        f"waiting for {both}",
        "the API server could not be asked what it serves",
        f"waiting for {one}",
    ]


def kind(group: str, version: str, plural: str) -> Resource:
    return Resource(group=group, version=version, plural=plural, namespaced=True)


@pytest.mark.parametrize("lost", sorted(plural for _, _, plural in WATCHED))
def test_nothing_is_worked_on_while_a_kind_is_not_watched(lost: str) -> None:
    """It was served a moment before, and kopf does not look a second time."""
    watched = Watched()
    watched.watched_resources.update(kind(*k) for k in WATCHED if k[2] != lost)
    watched.ready_resources.set()
    no_cluster: Any = None
    with pytest.raises(main.UnwatchedError, match=lost):
        asyncio.run(main._synced(no_cluster, Cache(), watched))
