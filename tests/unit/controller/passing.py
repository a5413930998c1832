"""Passes over a cluster in memory, and what its objects say after them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.api.meta import Object
from chroma_sync.controller.key import ADMISSION, Key
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.passes import Passes
from unit.controller.memory_cluster import MemoryCluster
from unit.reconcile.build import INSTALLATION, later

SOURCE = Key("Source", "team", "docs")
FIRST = Key("Invocation", "team", "first")
SECOND = Key("Invocation", "team", "second")
DONE = Result(collection=CollectionStatus(name="docs", id="1", records=7))


class Clock:
    """The time of passes: so many seconds after the Jobs and pods were made, until it is set."""

    def __init__(self, seconds: float = 10) -> None:
        self.now = later(seconds)

    def __call__(self) -> datetime:
        return self.now


def passes_over(
    cluster: MemoryCluster,
    progress: dict[str, Result] | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Passes:
    """The passes of an operator that has just started. `progress` is what pods said last."""
    progress = progress if progress is not None else {}
    now = clock or Clock()
    return Passes(cluster, cluster.cache, INSTALLATION, Metrics(), progress, now=now)


async def admit(passes: Passes) -> None:
    """Have it decided which runs may start, and then a pass over the Source."""
    await passes.reconcile(ADMISSION)
    await passes.reconcile(SOURCE)


async def begin(cluster: MemoryCluster, passes: Passes) -> Object:
    """Bring the first run so far that it has a Job, which has no pod yet. Returns the Job."""
    await admit(passes)
    for _ in range(2):
        await passes.reconcile(FIRST)
    cluster.requests.clear()
    return cluster.made(Step.RUN)


def active(cluster: MemoryCluster) -> str:
    """The name of the run that the Source has admitted; empty when there is none."""
    status: dict[str, Any] = cluster.objects["Source", "docs"]["status"]
    return str((status.get("activeInvocation") or {}).get("name", ""))


def status(cluster: MemoryCluster, key: Key = FIRST) -> Any:
    """The status of an object."""
    return cluster.objects[key.kind, key.name]["status"]


def summary(cluster: MemoryCluster, key: Key = FIRST) -> tuple[str, str]:
    """Status and reason of an object's summary condition."""
    first = status(cluster, key)["conditions"][0]
    return first["status"], first["reason"]


def message(cluster: MemoryCluster, key: Key = FIRST) -> str:
    """The message of an object's summary condition."""
    return str(status(cluster, key)["conditions"][0]["message"])
