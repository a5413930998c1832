"""The exit codes of a worker's pod."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a pod ended. Codes 64, 65 and 75 are those of sysexits.h."""

    DONE = 0
    CONFIGURATION = 64  # a person must change something: do not retry
    INPUT = 65  # the input as a whole can't be used: do not retry
    TEMPORARY = 75  # retry
