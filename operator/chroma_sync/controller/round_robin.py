"""Keys that wait, with their groups taking turns: however many one group has, another one's key
waits for one of each group at most."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class RoundRobin(Generic[K]):
    """Keys, each once, in the order in which they came to their group."""

    def __init__(self, group_of: Callable[[K], Hashable]) -> None:
        self._group_of = group_of
        # The group whose turn it is comes first. None is empty.
        self._groups: OrderedDict[Hashable, OrderedDict[K, None]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def __contains__(self, key: K) -> bool:
        return key in self._groups.get(self._group_of(key), ())

    def add(self, key: K) -> None:
        """Add a key. One that waits already keeps its place."""
        self._groups.setdefault(self._group_of(key), OrderedDict()).setdefault(key)

    def discard(self, key: K) -> None:
        """Take a key out, if it is there."""
        group = self._group_of(key)
        keys = self._groups.get(group)
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del self._groups[group]

    def take(self) -> K:
        """Take the next key out. Raises KeyError when there is none."""
        group, keys = self._groups.popitem(last=False)
        key, _ = keys.popitem(last=False)
        if keys:
            self._groups[group] = keys
        return key
