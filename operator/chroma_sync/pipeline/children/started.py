"""The child processes of this one: each has a session of its own, so that Ctrl-C at a terminal
reaches only the run itself, which ends them; and all can be killed at once when there is no time to
end anything in order."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from contextlib import suppress
from typing import Any
from weakref import WeakSet

_started: WeakSet[subprocess.Popen[bytes]] = WeakSet()


def start(arguments: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child as `subprocess.Popen` does. Raises `OSError`."""
    process = subprocess.Popen(arguments, start_new_session=True, **options)
    _started.add(process)
    return process


def limit(pid: int, *, cpu_seconds: int, memory_bytes: int) -> None:
    """Bound a child that is no program of ours, from outside: its CPU time, by SIGXCPU at its end,
    and the memory that it asks for. Files that it maps are not counted. On other systems than Linux
    only its caller's clock is a bound."""
    if hasattr(resource, "prlimit"):
        resource.prlimit(pid, resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        resource.prlimit(pid, resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a child with all that it has started: what lived on would hold its pipes open. It is
    still to be waited for."""
    with suppress(ProcessLookupError):  # it ended by itself just now
        os.killpg(process.pid, signal.SIGKILL)


def kill_all() -> None:
    """Kill all children that still run."""
    for process in list(_started):
        if process.poll() is None:
            kill(process)
