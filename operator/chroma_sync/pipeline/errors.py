"""What goes wrong in the pipeline, as one tree.

    PipelineError
        StepError      ends the step: a reason that stands on the object, and an exit code
            Misconfigured, Unusable, Temporary
        DocumentError  is a verdict on one document, with its reason: the step goes on

`str(error)` is a sentence for a person, with no secret in it. What a package raises for itself
alone is no part of the tree: it becomes one of these before it leaves the package. Two more are no
part of it: `Stopped`, which is no error, and `children.OverLimit`, for only who asked the child
knows what it costs.
"""

from __future__ import annotations

from typing import ClassVar

from chroma_sync.api.exit_code import ExitCode
from chroma_sync.api.reasons import DocumentReason, Reason


class PipelineError(Exception):
    """Something that people are told of, with its reason."""

    reason: Reason | DocumentReason


class DocumentError(PipelineError):
    """One document, or its text, can't be had or stored, though all else is well. It never leaves
    the stream, which makes the document's verdict of it."""

    reason: DocumentReason

    def __init__(self, reason: DocumentReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StepError(PipelineError):
    """A step can't go on. The exit code tells Kubernetes whether trying again can help."""

    reason: Reason
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
