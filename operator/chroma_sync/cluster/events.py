"""Events on Sources and Invocations: the same one is counted up, a flood is dropped."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Literal

from chroma_sync.cluster import paths
from chroma_sync.cluster.errors import (
    ConflictError,
    NamespaceTerminatingError,
    NotFoundError,
)
from chroma_sync.cluster.rest import Rest
from chroma_sync.reconcile.decision import Event

logger = logging.getLogger(__name__)

COMPONENT: Final = "chroma-sync"
MESSAGE_MAX: Final = 1024  # the API server's own limit
# As client-go's spam filter: so many at once for one object, then one in so many seconds.
BURST: Final = 25
REFILL_SECONDS: Final = 300.0
REMEMBERED: Final = 4096


class EventRecorder:
    """Posts events to the core API."""

    def __init__(self, rest: Rest, *, clock: Callable[[], float] = monotonic) -> None:
        self._rest = rest
        self._clock = clock
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._budgets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def post(
        self, kind: Literal["Source", "Invocation"], obj: dict[str, Any], event: Event
    ) -> None:
        """In a namespace that is going away nobody is left to read it. Raises `ClusterError`."""
        metadata = obj["metadata"]
        if not self._allowed(metadata["uid"]):
            return
        try:
            await self._post(kind, obj, event)
        except (NamespaceTerminatingError, NotFoundError) as error:
            logger.debug("no event: %s", error)

    async def _post(
        self, kind: Literal["Source", "Invocation"], obj: dict[str, Any], event: Event
    ) -> None:
        metadata = obj["metadata"]
        namespace, name = metadata["namespace"], _name(metadata, event)
        folder = paths.collection(paths.CORE, namespace, "events")
        count = self._counts.get(name)
        if count is None:
            try:
                await self._rest.post(folder, _body(kind, obj, event, name))
                self._remember(name, 1)
                return
            except ConflictError:  # posted by an earlier process
                count = 0
        patch = {"lastTimestamp": _now()} | ({"count": count + 1} if count else {})
        try:
            posted = await self._rest.merge_patch(
                paths.item(paths.CORE, namespace, "events", name), patch
            )
            self._remember(name, max(int(posted.get("count") or 1), 1))
        except NotFoundError:  # events live for an hour or so
            await self._rest.post(folder, _body(kind, obj, event, name))
            self._remember(name, 1)

    def _allowed(self, uid: str) -> bool:
        now = self._clock()
        tokens, last = self._budgets.pop(uid, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - last) / REFILL_SECONDS)
        self._budgets[uid] = (tokens - 1 if tokens >= 1 else tokens, now)
        _forget_oldest(self._budgets)
        return tokens >= 1

    def _remember(self, name: str, count: int) -> None:
        self._counts.pop(name, None)
        self._counts[name] = count
        _forget_oldest(self._counts)


def _forget_oldest(memory: OrderedDict[str, Any]) -> None:
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _name(metadata: dict[str, Any], event: Event) -> str:
    """The same event on the same object has the same name."""
    key = "\n".join((metadata["uid"], event.type, event.reason, event.message))
    return f"{metadata['name'][:200].rstrip('-.')}.{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _body(kind: str, obj: dict[str, Any], event: Event, name: str) -> dict[str, Any]:
    metadata, now = obj["metadata"], _now()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": obj["apiVersion"],
            "kind": kind,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:MESSAGE_MAX],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
