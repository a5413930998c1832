"""The Invocations whose runs are going, whole, as they were read or written last.

A pass over a run that goes needs no request to know what it is about: the watch says whether it is
still what is remembered. If the watch is late, the write that follows is refused for its old
version, and the next pass reads afresh.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

from chroma_sync.api.meta import Object
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key

MAX_AGE: Final = 60.0  # seconds for which the watch alone is believed


class _Remembered(NamedTuple):
    version: int
    since: float
    text: str  # a fraction of the size of the objects that it is made from


class Remembered:
    """Invocations by their keys."""

    def __init__(self, cache: Cache, clock: Callable[[], float] = monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._entries: dict[Key, _Remembered] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Object | None:
        """The Invocation, if it is surely known as it stands now."""
        entry = self._entries.get(key)
        if entry is None or self._clock() - entry.since > MAX_AGE:
            return None
        if self._cache.invocations.version((key.namespace, key.name)) != entry.version:
            return None
        found: Object = json.loads(entry.text)
        return found

    def read(self, key: Key, invocation: Object) -> None:
        """Remember what the API server just showed."""
        self._keep(key, invocation, self._clock())

    def written(self, key: Key, invocation: Object) -> None:
        """Remember what a write, if there was one, made of what is remembered."""
        before = self._entries.get(key)
        if before is not None and before.version != _version(invocation):
            self._keep(key, invocation, before.since)

    def forget(self, key: Key) -> None:
        self._entries.pop(key, None)

    def _keep(self, key: Key, invocation: Object, since: float) -> None:
        metadata = {k: v for k, v in invocation["metadata"].items() if k != "managedFields"}
        text = json.dumps({**invocation, "metadata": metadata})
        self._entries[key] = _Remembered(_version(invocation), since, text)


def _version(invocation: Object) -> int:
    return int(invocation["metadata"]["resourceVersion"])
