"""Conditions: how an object's state is told. All functions are pure; the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import Field

from chroma_sync.api.meta import ApiModel
from chroma_sync.api.reasons import Reason
from chroma_sync.api.shown import visible

# The summary of a Source, and of an Invocation.
READY: Final = "Ready"
SUCCEEDED: Final = "Succeeded"
# The pair that kstatus reads: work is going on; work has stopped and a person must act.
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"

OURS: Final = frozenset({READY, SUCCEEDED, RECONCILING, STALLED})

MESSAGE_MAX: Final = 4096

Status = Literal["True", "False", "Unknown"]


class Condition(ApiModel):
    """One thing that is so, is not so, or is not known, in the form of Kubernetes' conditions."""

    type: str = Field(
        min_length=1, max_length=64, description="Ready, Succeeded, Reconciling or Stalled."
    )
    status: Status = Field(description="True, False or Unknown.")
    reason: str = Field(
        min_length=1, max_length=64, description="Why, in one word for programs. Example: Pending."
    )
    message: str = Field(
        default="", max_length=MESSAGE_MAX, description="Why, in a sentence for people."
    )
    last_transition_time: str = Field(
        max_length=32,
        description="When the status last changed.",
        json_schema_extra={"format": "date-time"},
    )
    observed_generation: int = Field(
        default=-1, ge=-1, description="The generation of the object that this was said of."
    )


def timestamp(moment: datetime) -> str:
    """A time as Kubernetes writes it: RFC 3339, UTC, whole seconds. The time must know its zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(
    kind: str,
    status: Status,
    reason: Reason,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> Condition:
    """A new condition that has its status since now. Control characters of the message are written
    out, and a long one is cut."""
    message = visible(message)
    if len(message) > MESSAGE_MAX:
        message = message[: MESSAGE_MAX - 1] + "…"
    return Condition(
        type=kind,
        status=status,
        reason=reason.value,
        message=message,
        last_transition_time=timestamp(now),
        observed_generation=generation,
    )


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of a type, if it stands."""
    return next((c for c in conditions if c.type == kind), None)


def merge(old: Iterable[Condition], new: Iterable[Condition]) -> list[Condition]:
    """The conditions `new` and no others but those of types that are not ours: a newer release's.
    One whose status stays keeps the time of its last transition."""
    before = {c.type: c for c in old}
    ours = [_with_time(before.get(c.type), c) for c in new]
    return ours + [c for c in before.values() if c.type not in OURS]


def _with_time(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.status != new.status:
        return new
    return new.model_copy(update={"last_transition_time": old.last_transition_time})
