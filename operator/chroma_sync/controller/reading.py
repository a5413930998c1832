"""Reads Sources and Invocations for passes."""

from __future__ import annotations

import asyncio

from chroma_sync.api import stored
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.meta import Object
from chroma_sync.api.source import Source
from chroma_sync.cluster.errors import ClusterError
from chroma_sync.cluster.interface import Cluster, Kind
from chroma_sync.controller.key import Key
from chroma_sync.controller.remembered import Remembered
from chroma_sync.controller.schemas import Schemas


class Reader:
    """Raw objects as they stand now, and what this release understands of them. All of it raises
    `ClusterError`, and what understands, `UnreadableStatusError`."""

    def __init__(self, cluster: Cluster, remembered: Remembered) -> None:
        self._cluster = cluster
        self._remembered = remembered
        self._schemas = Schemas(cluster)

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object. Never another one than was asked for: a pass acts on what it read."""
        raw = await self._cluster.read(kind, namespace, name)
        if raw is not None:
            metadata = raw["metadata"]
            found = (raw["kind"], metadata["namespace"], metadata["name"])
            if found != (kind, namespace, name):
                raise ClusterError(0, f"asked for {kind} {namespace}/{name}, got {found}")
        return raw

    async def invocation(self, key: Key) -> Object | None:
        """An Invocation. One whose run is going is remembered."""
        known = self._remembered.get(key)
        if known is not None:
            return known
        raw = await self.read("Invocation", key.namespace, key.name)
        if raw is not None and _is_going(raw):
            self._remembered.read(key, raw)
        return raw

    async def with_source(self, key: Key, source: str) -> tuple[Object | None, Object | None]:
        """An Invocation, and its Source, in the time of one request."""
        reads = self.invocation(key), self.read("Source", key.namespace, source)
        invocation, found = await asyncio.gather(*reads)
        return invocation, found

    async def understood_source(self, raw: Object) -> Source:
        """What a stored Source says."""
        unknown = stored.has_unknown(Source, raw)
        return stored.source(raw, await self._schemas.of("Source") if unknown else None)

    async def understood_invocation(self, raw: Object) -> Invocation:
        """What a stored Invocation says."""
        # Of a run that goes the spec does not matter any more.
        needs_schema = not _is_going(raw) and stored.has_unknown(Invocation, raw)
        schema = await self._schemas.of("Invocation") if needs_schema else None
        return stored.invocation(raw, schema)


def _is_going(invocation: Object) -> bool:
    status = invocation.get("status") or {}
    return "startTime" in status and "completionTime" not in status
