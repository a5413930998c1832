"""What the queue holds."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Key(NamedTuple):
    """One object to reconcile."""

    kind: Literal["Source", "Invocation"]
    namespace: str
    name: str


class Admission(NamedTuple):
    """Deciding which runs may start, over all of them: one key, so one decision at a time."""

    namespace: str = ""


ADMISSION: Final = Admission()
Work = Key | Admission
