"""Functions that a bounded process runs in the tests: they do to it what hostile input does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from chroma_sync.pipeline.extract import notebook


def echo(head: bytes, data: bytes) -> bytes:
    return head + data


def hang(head: bytes, data: bytes) -> bytes:
    while True:
        pass


def sleep(head: bytes, data: bytes) -> bytes:
    time.sleep(600)
    return b""


def grow(head: bytes, data: bytes) -> bytes:
    return b"".join([bytes(1024**2) + bytes([n % 256]) for n in range(100_000)])


def swell(head: bytes, data: bytes) -> bytes:
    """As many bytes as the head says."""
    return bytes(int(head))


def fill(head: bytes, data: bytes) -> bytes:
    """Write a file of as many bytes as the head says."""
    Path("file").write_bytes(bytes(int(head)))
    return b"written"


def crash(head: bytes, data: bytes) -> bytes:
    os.abort()


def crash_over_all_but_small(head: bytes, data: bytes) -> bytes:
    """Read a small notebook, and crash over any other."""
    if len(data) > 20:
        os.abort()
    return notebook.answer(head, data)


def nonsense_to_all_but_small(head: bytes, data: bytes) -> bytes:
    """Read a small notebook, and answer nonsense to any other."""
    return data if len(data) > 20 else notebook.answer(head, data)


def fail(head: bytes, data: bytes) -> bytes:
    raise RuntimeError("a fault of the library")


def leave_a_child(head: bytes, data: bytes) -> bytes:
    """Start a process that lives on, with its number in the file of the head; never answer."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(head.decode()).write_text(str(child.pid))
    return hang(head, data)


def surroundings(head: bytes, data: bytes) -> bytes:
    """Where it runs, with what, and what it may leave there."""
    Path("left").mkdir()
    descriptors = [str(Path(f"/proc/self/fd/{n}").readlink()) for n in (1, 2)]
    names = ",".join(sorted(os.environ))
    return "\n".join([str(Path.cwd()), os.environ["HOME"], names, *descriptors]).encode()


def call_home(head: bytes, data: bytes) -> bytes:
    """Try to reach a port of this machine, by the names of two families and from a program."""
    said = []
    for address in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((address, int(head)), timeout=5)
            said.append("reached")
        except OSError as error:
            said.append(type(error).__name__)
    code = f"import socket; socket.create_connection(('127.0.0.1', {int(head)}), timeout=5)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    return f"{' '.join(said)} from a program: {done.returncode}".encode()
