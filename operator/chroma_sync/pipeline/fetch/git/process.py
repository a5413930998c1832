"""A process of git whose answers are read as they come: it may hang, and it may end at any time."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from chroma_sync.pipeline.fetch.git.listing import split_nul
from chroma_sync.pipeline.queues import StopSignal

_TICK_SECONDS: Final = 0.2
_BLOCK: Final = 1 << 16


class GitTimeout(Exception):
    """A command took longer than it may."""


class GitEnded(Exception):
    """A process ended before it had answered."""


class GitProcess:
    """Reads what git writes. Every method that waits raises `GitTimeout` when git is silent for
    more than `silence_seconds`, and `Stopped` when the run stops."""

    def __init__(
        self, process: subprocess.Popen[bytes], stop: StopSignal, silence_seconds: float
    ) -> None:
        self._process = process
        self._stop = stop
        self.silence_seconds = silence_seconds
        self._read = bytearray()  # and not taken yet

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, question: bytes) -> None:
        """Write a question. Raises `GitEnded`."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            stdin.write(question)
            stdin.flush()
        except BrokenPipeError:
            raise GitEnded from None

    def fields(self, count: int, end: bytes) -> list[bytes]:
        """So many fields, each ended by the byte `end`. Raises `GitEnded`."""
        while self._read.count(end) < count:
            self._more()
        *fields, rest = self._read.split(end, count)
        self._read = rest
        return [bytes(field) for field in fields]

    def exactly(self, size: int) -> bytes:
        """So many bytes. Raises `GitEnded`."""
        while len(self._read) < size:
            self._more()
        taken = bytes(memoryview(self._read)[:size])
        del self._read[:size]
        return taken

    def records(self) -> Iterator[bytes]:
        """All that is still to come, in records that NUL ends."""
        return split_nul(iter(self._block, b""))

    def wait(self) -> int:
        """The return code of a process that has written all."""
        try:
            return self._process.wait(self.silence_seconds)
        except subprocess.TimeoutExpired:
            raise GitTimeout from None

    def end(self) -> int:
        """End the process, if it has not ended by itself. Returns its return code."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what it did not read is of no use any more
                    pipe.close()
        return self._process.wait()

    def _more(self) -> None:
        block = self._block()
        if not block:
            raise GitEnded
        self._read += block

    def _block(self) -> bytes:
        """What git writes next; nothing when it has ended."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - a pipe was asked for
        give_up_at = time.monotonic() + self.silence_seconds
        while not select.select([stdout], [], [], _TICK_SECONDS)[0]:
            self._stop.check()
            if time.monotonic() > give_up_at:
                raise GitTimeout
        self._stop.check()
        return os.read(stdout.fileno(), _BLOCK)
