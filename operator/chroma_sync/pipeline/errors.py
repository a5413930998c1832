"""Why a step stops as a whole. What goes wrong with one document is a verdict, never an exception
that leaves the stream.

Each error carries the reason that stands on the object, a sentence for a person, and the exit code
that tells Kubernetes whether trying again can help.
"""

from __future__ import annotations

from typing import ClassVar

from chroma_sync.api.exit_code import ExitCode
from chroma_sync.api.reasons import Reason


class StepError(Exception):
    """A step can't go on. `str(error)` is the sentence shown to people; it holds no secret."""

    exit_code: ClassVar[ExitCode]

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Misconfigured(StepError):
    """Someone must change a setting; the same try again would fail the same way."""

    exit_code = ExitCode.CONFIGURATION


class Unusable(StepError):
    """The input as a whole can't be used."""

    exit_code = ExitCode.INPUT


class Temporary(StepError):
    """A server or the network is in trouble for now; another try may succeed."""

    exit_code = ExitCode.TEMPORARY


class RevisionGone(Temporary):
    """The revision that a branch or tag stood for is there no longer. It stands for another now."""


class RateLimited(Temporary):
    """A host asks to be left alone for so many `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(Reason.RATE_LIMITED, message)
        self.seconds = seconds


class Stopped(Exception):
    """The run was asked to stop (a signal, Ctrl-C, or another stage's error)."""
