"""What the queue holds."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Key(NamedTuple):
    """One object to reconcile."""

    kind: Literal["Source", "Invocation"]
    namespace: str
    name: str
