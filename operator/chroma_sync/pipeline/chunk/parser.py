"""The chunker's side of the parser process: starts it, asks it, and kills it when it goes wrong."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chroma_sync.pipeline import children
from chroma_sync.pipeline.chunk.cuts import are_sound
from chroma_sync.pipeline.chunk.memory import parser_memory
from chroma_sync.pipeline.chunk.model import Fallback
from chroma_sync.pipeline.chunk.protocol import CUT, EXIT_OUT_OF_MEMORY, REPLY, REQUEST, receive

_START_SECONDS = 60.0
_END_SECONDS = 2.0
_LOOK_MILLISECONDS = 50
_STDERR_BYTES = 2000


class ParserUnavailable(Exception):
    """The parser process can't be started, or gets no time to run: the installation or the machine
    is at fault, not a file."""


class GaveUp(Exception):
    """The parser could not cope with one file, and has been killed."""

    def __init__(self, reason: Fallback) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Limits:
    """What one parse may take: CPU time and address space. `wall_seconds` is a net below them, for
    a process that gets no CPU time; only a machine in trouble lets a parse fall so far."""

    cpu_seconds: float = 10
    wall_seconds: float = 300
    memory_bytes: int = field(default_factory=parser_memory)


class ParserProcess:
    """One process that parses, until it is closed or a file is its end."""

    def __init__(self, limits: Limits, check: Callable[[], None]) -> None:
        """Starts it; raises `ParserUnavailable`."""
        self._limits = limits
        self._check = check
        self._connection, theirs = socket.socketpair()
        self._answer = select.poll()
        self._answer.register(self._connection, select.POLLIN)
        # A new program and not a fork: the chunker may live in a process with threads.
        with theirs:
            try:
                self._process = children.start(
                    _command(limits),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=_environment(),
                )
            except OSError as error:  # no process or no memory to be had
                self._connection.close()
                message = f"the parser process can't be started: {error.strerror}"
                raise ParserUnavailable(message) from None
        self._await_start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def lives(self) -> bool:
        return self._process.poll() is None

    def cuts(self, language: str, data: bytes, max_size: int) -> list[int]:
        """The ends of the chunks of `data`. Raises `GaveUp` and `ParserUnavailable`; either way the
        process has ended then."""
        deadline = time.monotonic() + self._limits.wall_seconds
        largest = 0
        cuts: list[int] | None = None
        try:
            self._send(deadline, language, data, max_size)
            while not self._answer.poll(_LOOK_MILLISECONDS):
                largest = max(largest, _memory_of(self.pid))
                self._check()
                if time.monotonic() > deadline:
                    raise TimeoutError
            cuts = self._receive(deadline, len(data))
        except TimeoutError:
            self.kill()
            seconds = self._limits.wall_seconds
            raise ParserUnavailable(
                f"the parser process had too little CPU time to end within {seconds:g} s"
            ) from None
        except ConnectionError:
            pass  # it died
        except BaseException:  # of the check
            self.kill()
            raise
        if cuts is None or not are_sound(cuts, data, max_size):
            self.kill()
            raise GaveUp(self._cause_of_death(largest))
        return cuts

    def _cause_of_death(self, largest: int) -> Fallback:
        """Why the process has ended; `largest` is how much memory it was seen to take."""
        if self._process.returncode == -signal.SIGPROF:
            return "parser timed out"
        # tree-sitter does not check what it allocates, it just crashes. It grows by doubling, so a
        # refused step starts at half the bound or above.
        starved = largest > self._limits.memory_bytes // 2
        if starved or self._process.returncode == EXIT_OUT_OF_MEMORY:
            return "parser out of memory"
        return "parser crashed"

    def close(self) -> None:
        """Ends the process by closing its input, and kills it if that does not help."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Ends the process at once."""
        self._connection.close()
        children.kill(self._process)
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _await_start(self) -> None:
        try:
            if receive(self._connection, REPLY.size, time.monotonic() + _START_SECONDS) is not None:
                return
            why = "ended at once"
        except TimeoutError:
            why = f"gave no sign of life within {_START_SECONDS:g} s"
        except ConnectionError:
            why = "ended at once"
        children.kill(self._process)
        self._process.wait()
        stderr = self._process.stderr
        said = b"" if stderr is None else stderr.read()[-_STDERR_BYTES:]
        self.kill()
        raise ParserUnavailable(
            f"the parser process {why}; is the package tree-sitter-language-pack installed? "
            f"It said: {said.decode(errors='replace').strip() or 'nothing'}"
        )

    def _send(self, deadline: float, language: str, data: bytes, max_size: int) -> None:
        name = language.encode("ascii")
        self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
        self._connection.sendall(REQUEST.pack(len(name), len(data), max_size) + name)
        self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
        self._connection.sendall(data)

    def _receive(self, deadline: float, most: int) -> list[int] | None:
        """The cuts, at most `most` of them; None when the process died or talks nonsense."""
        header = receive(self._connection, REPLY.size, deadline)
        if header is None:
            return None
        (count,) = REPLY.unpack(header)
        if count > most:
            return None
        cuts = array(CUT)
        body = receive(self._connection, count * cuts.itemsize, deadline)
        if body is None:
            return None
        cuts.frombytes(body)
        return cuts.tolist()


def _command(limits: Limits) -> list[str]:
    module = "chroma_sync.pipeline.chunk._child"
    bounds = str(limits.memory_bytes), str(limits.cpu_seconds)
    return [sys.executable, "-P", "-m", module, *bounds]


def _environment() -> dict[str, str]:
    """What the process needs to import what we can import, and nothing else: no secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(str(Path(p).absolute()) for p in sys.path if p)}


def _memory_of(pid: int) -> int:
    """The size of a process's address space in bytes, which is what its bound counts; 0 where the
    system does not tell (and has no such bound either)."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[0]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()
