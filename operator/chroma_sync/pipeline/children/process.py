"""Our side of a bounded process: starts it, asks it, and kills it when it goes wrong."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chroma_sync.pipeline.children.limits import Limits, NotRunning, OverLimit, What
from chroma_sync.pipeline.children.protocol import ANSWER, EXIT_OUT_OF_MEMORY, QUESTION, receive
from chroma_sync.pipeline.children.started import kill, start

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 2.0
_LOOK_MILLISECONDS: Final = 50
_STDERR_BYTES: Final = 2000
_ADDRESS_SPACE, _ALLOCATED = 0, 5  # in /proc/PID/statm


class BoundedProcess:
    """One process that answers questions, until it is closed or one of them is its end. It has a
    process group and a home of its own, and both go with it."""

    def __init__(self, function: str, limits: Limits, check: Callable[[], None]) -> None:
        """Starts it; `function` is `MODULE:NAME`, of a function of two byte strings that returns
        one. `check` is called while an answer is waited for; what it raises ends the process.
        Raises `NotRunning`."""
        self._function = function
        self._limits = limits
        self._check = check
        self._connection, theirs = socket.socketpair()
        self._answer = select.poll()
        self._answer.register(self._connection, select.POLLIN)
        # A new program and not a fork: we may have threads.
        with theirs, contextlib.ExitStack() as stack:
            stack.callback(self._connection.close)
            home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            stack.callback(home.cleanup)
            try:
                self._process = start(
                    _command(function, limits),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    cwd=home.name,
                    env=_environment(home.name),
                )
            except OSError as error:  # no process or no memory to be had
                message = f"the process for {function} can't be started: {error.strerror}"
                raise NotRunning(message) from None
            self._given_back = stack.pop_all()
        self._await_start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def lives(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, head: bytes, data: bytes, most: int) -> bytes:
        """The answer, of at most so many bytes. Raises `OverLimit` and `NotRunning`; either way the
        process has ended then."""
        deadline = time.monotonic() + self._limits.wall_seconds
        largest = 0
        try:
            self._send(deadline, head, data)
            while not self._answer.poll(_LOOK_MILLISECONDS):
                largest = max(largest, _memory_of(self.pid, self._limits))
                self._check()
                if not self.lives():  # and a process that it has started holds the socket open
                    raise ConnectionError
                if time.monotonic() > deadline:
                    raise TimeoutError
            answer = self._receive(deadline, most)
        except TimeoutError:
            self.kill()
            seconds = self._limits.wall_seconds
            raise NotRunning(
                f"the process for {self._function} had too little CPU time to end within "
                f"{seconds:g} s"
            ) from None
        except ConnectionError:
            answer = None  # it died
        except BaseException:  # of the check, or too much output
            self.kill()
            raise
        if answer is None:
            self.kill()
            raise OverLimit(self._cause_of_death(largest))
        return answer

    def _cause_of_death(self, largest: int) -> What:
        """Why the process has ended; `largest` is how much memory it was seen to take."""
        if self._process.returncode == -signal.SIGPROF:
            return What.TIME
        # tree-sitter does not check what it allocates, it just crashes. It grows by doubling, so a
        # refused step starts at half the bound or above.
        starved = largest > self._limits.memory_bytes // 2
        if starved or self._process.returncode == EXIT_OUT_OF_MEMORY:
            return What.MEMORY
        return What.CRASH

    def close(self) -> None:
        """Ends the process by closing its input, and kills it if that does not help."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Ends the process at once, with all that it has started."""
        kill(self._process)
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._given_back.close()

    def _await_start(self) -> None:
        up_by = time.monotonic() + _START_SECONDS
        try:
            if receive(self._connection, ANSWER.size, up_by) is not None:
                return
            why = "ended at once"
        except TimeoutError:
            why = f"gave no sign of life within {_START_SECONDS:g} s"
        except ConnectionError:
            why = "ended at once"
        kill(self._process)
        self._process.wait()
        stderr = self._process.stderr
        said = b"" if stderr is None else stderr.read()[-_STDERR_BYTES:]
        self.kill()
        raise NotRunning(
            f"the process for {self._function} {why}; is all that it needs installed? "
            f"It said: {said.decode(errors='replace').strip() or 'nothing'}"
        )

    def _send(self, deadline: float, head: bytes, data: bytes) -> None:
        self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
        self._connection.sendall(QUESTION.pack(len(head), len(data)) + head)
        self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
        self._connection.sendall(data)

    def _receive(self, deadline: float, most: int) -> bytes | None:
        """The answer; None when the process has died."""
        header = receive(self._connection, ANSWER.size, deadline)
        if header is None:
            return None
        (size,) = ANSWER.unpack(header)
        if size > most:
            raise OverLimit(What.OUTPUT)
        return receive(self._connection, size, deadline)


def _command(function: str, limits: Limits) -> list[str]:
    bounds = limits.cpu_seconds, limits.memory_bytes, limits.file_bytes, limits.maps_files
    program = [sys.executable, "-P", "-m", "chroma_sync.pipeline.children._serve"]
    return [*program, *function.split(":"), *map(str, bounds)]


def _environment(home: str) -> dict[str, str]:
    """What the process needs to import what we can import, and nothing else: no secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    path = os.pathsep.join(str(Path(p).absolute()) for p in sys.path if p)
    return kept | {"PYTHONPATH": path, "HOME": home, "TMPDIR": home}


def _memory_of(pid: int, limits: Limits) -> int:
    """How much of a process's memory its bound counts, in bytes; 0 where the system does not tell
    (and has no such bound either)."""
    field = _ALLOCATED if limits.maps_files else _ADDRESS_SPACE
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[field]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()
