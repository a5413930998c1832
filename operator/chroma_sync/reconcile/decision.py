"""What one pass decides: the status to write, then what to do, then what to tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

S = TypeVar("S")


@dataclass(frozen=True)
class CreateJob:
    """Make this Job, and before it the ConfigMap that its pods mount, unless they are there
    already."""

    manifest: dict[str, Any]
    config_map: dict[str, Any]


@dataclass(frozen=True)
class TryJob:
    """Ask the API server whether it would take this Job. The actions after it wait for a yes."""

    manifest: dict[str, Any]


@dataclass(frozen=True)
class Delete:
    """Delete an object, if it is still the one of this uid. A Job's pods go first. `config_map` is
    the name of the one that was made for the Job: if the Job went, it goes after it."""

    kind: Literal["Job", "Invocation"]
    name: str
    uid: str
    config_map: str = ""


Action = CreateJob | TryJob | Delete


@dataclass(frozen=True)
class JobRejection:
    """Why the API server did not take a Job of this name. `final`: it finds fault with the Job's
    own fields, so it never will."""

    job: str
    message: str
    final: bool


@dataclass(frozen=True)
class Event:
    """Something that a person who looks at the object's events wants to know."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass
class Decision(Generic[S]):
    """The outcome of a pass. `status` is the whole new status: it is written first, and only when
    it differs. `requeue_after` is in seconds; None waits for the next change."""

    status: S
    actions: list[Action] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    requeue_after: float | None = None

    def again_in(self, seconds: float) -> None:
        """Ask for another pass after at most so many seconds."""
        now = self.requeue_after
        self.requeue_after = seconds if now is None else min(now, seconds)
