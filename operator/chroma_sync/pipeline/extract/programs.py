"""Programs that an extractor starts. They stay in the process group of the extractor's own process
and end with it; each has bounds of its own."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import Refused

OUTPUT_MAX: Final = 64 * 1024**2
_IDLE_FACTOR: Final = 4  # how much longer than its CPU time a program may take
_SIGXCPU: Final = -24


def find(*names: str, needs: str) -> Path:
    """The first of these programs that is installed. Raises `Refused`, with what it `needs`."""
    for name in names:
        if path := shutil.which(name):
            return Path(path)
    raise Refused(DocumentReason.NOT_INSTALLED, needs)


def run(
    command: list[str], *, given: bytes = b"", cpu_seconds: int, environment: dict[str, str]
) -> tuple[int, bytes]:
    """Run a program with what it is given on its standard input. Returns its exit code and what it
    has written. Raises `Refused` when it takes too long."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    if hasattr(resource, "prlimit"):  # elsewhere only the clock below is a bound
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    try:
        written, _ = process.communicate(given, timeout=cpu_seconds * _IDLE_FACTOR)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise _too_long(command) from None
    if process.returncode == _SIGXCPU:
        raise _too_long(command)
    if len(written) > OUTPUT_MAX:
        raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, "Its text is too large.")
    return process.returncode, written


def _too_long(command: list[str]) -> Refused:
    message = f"It keeps the program {Path(command[0]).name} busy for too long."
    return Refused(DocumentReason.EXTRACTION_TIMED_OUT, message)
