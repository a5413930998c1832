"""The schemas of our kinds as the API server holds them, which may be of a newer release."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from chroma_sync.api.meta import Object
from chroma_sync.cluster.interface import Cluster, Kind

MAX_AGE: Final = 60.0  # seconds; every pass asks, when the CRDs have a new field with a default


class Schemas:
    """Reads each schema at most once in `MAX_AGE`."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._known: dict[Kind, tuple[float, Object]] = {}

    async def of(self, kind: Kind) -> Object:
        """The OpenAPI schema of a kind. Raises `ClusterError`."""
        since, schema = self._known.get(kind, (0.0, None))
        if schema is None or self._clock() - since > MAX_AGE:
            schema = await self._cluster.schema(kind)
            self._known[kind] = (self._clock(), schema)
        return schema
