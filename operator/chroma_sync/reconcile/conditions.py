"""The states of a Source and of an Invocation, as sets of conditions.

| state | summary condition | Reconciling | Stalled |
|---|---|---|---|
| Source being checked, or retrying | Ready Unknown / False | True | - |
| Source usable | Ready True | - | - |
| Source needs a person | Ready False | - | True |
| Invocation waiting or running | Succeeded Unknown | True | - |
| Invocation that is not understood | Succeeded Unknown | - | True |
| Invocation complete | Succeeded True | - | - |
| Invocation failed | Succeeded False | - | True |
| Invocation cancelled | Succeeded False | - | - |

A dash means that the condition is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from chroma_sync.api.conditions import (
    OURS,
    READY,
    RECONCILING,
    STALLED,
    SUCCEEDED,
    Condition,
    Status,
    condition,
    find,
    merge,
)
from chroma_sync.api.reasons import Reason
from chroma_sync.api.shown import visible
from chroma_sync.reconcile.decision import Event

# What tells of no trouble. A change to any other reason is a Warning.
CALM: Final = frozenset(
    {
        Reason.PENDING,
        Reason.PROCESSING,
        Reason.COMPLETE,
        Reason.CANCELLED,
        Reason.CHECKING,
        Reason.AVAILABLE,
        Reason.TERMINATING,
        Reason.SUSPENDED,
        Reason.QUEUED,
        Reason.SOURCE_NOT_READY,  # the Source itself says what is wrong
    }
)


@dataclass(frozen=True)
class State:
    """One row of the table, with its reason and message."""

    summary: str
    status: Status
    reason: Reason
    message: str
    reconciling: bool = False
    stalled: bool = False


def checking(message: str) -> State:
    """A Source that is new or changed."""
    return State(READY, "Unknown", Reason.CHECKING, message, reconciling=True)


def retrying(reason: Reason, message: str) -> State:
    """A Source whose check failed; it is repeated."""
    return State(READY, "False", reason, message, reconciling=True)


def available(message: str) -> State:
    """A Source that runs can use."""
    return State(READY, "True", Reason.AVAILABLE, message)


def source_stalled(reason: Reason, message: str) -> State:
    """A Source that a person must change."""
    return State(READY, "False", reason, message, stalled=True)


def unfinished(reason: Reason, message: str) -> State:
    """An Invocation that waits or runs."""
    return State(SUCCEEDED, "Unknown", reason, message, reconciling=True)


def held(reason: Reason, message: str) -> State:
    """An Invocation that is left as it is: only a newer release, or another spec, can go on."""
    return State(SUCCEEDED, "Unknown", reason, message, stalled=True)


def complete(reason: Reason, message: str) -> State:
    """An Invocation that did what it should."""
    return State(SUCCEEDED, "True", reason, message)


def failed(reason: Reason, message: str) -> State:
    """An Invocation that ended without success."""
    return State(SUCCEEDED, "False", reason, message, stalled=True)


def cancelled(message: str) -> State:
    """An Invocation that was stopped on request."""
    return State(SUCCEEDED, "False", Reason.CANCELLED, message)


def apply(
    old: Sequence[Condition], state: State, generation: int, now: datetime
) -> list[Condition]:
    """The conditions of a state. The transition time of a status that stays is kept."""
    parts: list[tuple[str, Status]] = [(state.summary, state.status)]
    if state.reconciling:
        parts.append((RECONCILING, "True"))
    if state.stalled:
        parts.append((STALLED, "True"))
    new = [
        condition(type_, status, state.reason, state.message, generation=generation, now=now)
        for type_, status in parts
    ]
    return merge(old, new)


def observed_at(conditions: Sequence[Condition], generation: int) -> list[Condition]:
    """The same conditions; ours are said of this generation."""
    said = {"observed_generation": generation}
    return [c.model_copy(update=said) if c.type in OURS else c for c in conditions]


def event(old: Sequence[Condition], state: State) -> list[Event]:
    """What to tell when an object comes to a state: nothing, unless it is another one."""
    before = find(old, state.summary)
    same = before is not None and (before.status, before.reason) == (state.status, state.reason)
    if same or state.reason is Reason.PENDING:
        return []
    kind: Literal["Normal", "Warning"] = "Normal" if state.reason in CALM else "Warning"
    return [Event(kind, state.reason, visible(state.message))]
