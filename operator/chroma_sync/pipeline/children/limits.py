"""What a bounded process may take, and how it ends when it takes more."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.children.memory import memory_share
from chroma_sync.pipeline.errors import Temporary


@dataclass(frozen=True)
class Limits:
    """What one question may take: CPU time and address space. `wall_seconds` is a net below them,
    for a process that gets no CPU time; only a machine in trouble lets a question fall so far. No
    file that it writes may be larger than `file_bytes`. `maps_files`: what it maps of files, large
    libraries and the like, does not count as its memory; nor does what the programs count that it
    starts, which have the same bound each."""

    cpu_seconds: float = 10
    wall_seconds: float = 300
    memory_bytes: int = field(default_factory=memory_share)
    file_bytes: int = 0
    maps_files: bool = False


class What(StrEnum):
    """What went over its limit, in words for a person."""

    TIME = "timed out"
    MEMORY = "out of memory"
    OUTPUT = "too much output"
    CRASH = "crashed"  # it ended, or answered nonsense, for a reason of its own


class OverLimit(Exception):
    """A process could not cope with one question, and has been killed. The next one starts anew."""

    def __init__(self, what: What) -> None:
        super().__init__(what.value)
        self.what = what


class NotRunning(Temporary):
    """A process can't be started, or gets no time to run: the installation or the machine is at
    fault, not what it was asked."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.INTERNAL_ERROR, message)
