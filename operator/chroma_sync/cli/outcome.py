"""Turns how a step ended into a result and an exit code. Pods and laptops share it."""

from __future__ import annotations

import sys
import traceback
from pathlib import PurePath

from chroma_sync.api.contract import ExitCode
from chroma_sync.api.shown import visible
from chroma_sync.pipeline.errors import StepError
from chroma_sync.pipeline.scratch import is_full, scratch_full


def as_step_error(error: BaseException) -> StepError | None:
    """The error of a step behind an exception, or None for a fault in the program itself."""
    if isinstance(error, StepError):
        return error
    return scratch_full() if is_full(error) else None


def fault(error: BaseException) -> str:
    """What tells a fault of the program: its type, and the places that led to it, the innermost
    first. Its own words may hold anything, so they are left out."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_PLACES:])
    places = ", ".join(f"{PurePath(f.filename).name}:{f.lineno}" for f in frames)
    return f"{type(error).__name__} at {places or 'no known place'}"


_PLACES = 12
UNKNOWN_EXIT_CODE = 1
STOPPED_EXIT_CODE = ExitCode.TEMPORARY


class UsageError(Exception):
    """What was typed or written can't be used. `str(error)` says what to do."""


def tell(message: str, *, keep: str = "") -> None:
    """Say something on stderr, beside what a command prints. Control characters are written out,
    but for those in `keep`."""
    print(f"chroma-sync: {visible(message, keep=keep)}", file=sys.stderr)
