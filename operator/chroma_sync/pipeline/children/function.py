"""A function that runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chroma_sync.pipeline.children.limits import Limits, NotRunning, OverLimit, What
from chroma_sync.pipeline.children.process import BoundedProcess
from chroma_sync.pipeline.closing import Closing

T = TypeVar("T")

# What the same question comes to again, in whichever process.
_CERTAIN = (What.TIME, What.OUTPUT)


class BoundedFunction(Closing):
    """A function of bytes that hostile input may keep busy for ever, crash, or make enormous: it
    runs in a process that is started when it is first called, and killed when a question goes over
    a limit. A context manager, for one thread."""

    def __init__(
        self, function: str, limits: Limits, check: Callable[[], None] = lambda: None
    ) -> None:
        """`function` and `check` are those of `BoundedProcess`."""
        self._function = function
        self._limits = limits
        self._check = check
        self.process: BoundedProcess | None = None

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.close()
            self.process = None

    def __call__(self, head: bytes, data: bytes, most: int, read: Callable[[bytes], T]) -> T:
        """What `read` makes of the answer to a question, which has at most `most` bytes; it raises
        `ValueError` when the answer is nonsense. Raises `OverLimit`, and `NotRunning` if no process
        can be started or none gets to run."""
        try:
            return self._asked(head, data, most, read)
        except (OverLimit, NotRunning) as error:
            if isinstance(error, OverLimit) and error.what in _CERTAIN:
                raise
            # The process may have suffered from questions before or from a busy machine, and what
            # comes of one must not depend on either. A new process knows this question only.
            return self._asked(head, data, most, read)

    def _asked(self, head: bytes, data: bytes, most: int, read: Callable[[bytes], T]) -> T:
        process = self._running()
        answer = process.ask(head, data, most)
        try:
            return read(answer)
        except ValueError:
            process.kill()
            raise OverLimit(What.CRASH) from None

    def _running(self) -> BoundedProcess:
        if self.process is None or not self.process.lives():
            self.close()
            self.process = BoundedProcess(self._function, self._limits, self._check)
        return self.process
