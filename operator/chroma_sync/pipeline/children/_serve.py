"""The program of a bounded process: `python -m chroma_sync.pipeline.children._serve MODULE FUNCTION
CPU_SECONDS MEMORY_BYTES FILE_BYTES MAPS_FILES`.

Standard input is a socket to who asks (see `protocol.py`). The process ends when the other side
closes it, and by `SIGPROF` when an answer has taken `CPU_SECONDS`.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

from chroma_sync.pipeline.children.no_network import forbid_network
from chroma_sync.pipeline.children.protocol import ANSWER, EXIT_OUT_OF_MEMORY, QUESTION, receive


def _serve(
    connection: socket.socket, function: Callable[[bytes, bytes], bytes], cpu_seconds: float
) -> None:
    connection.sendall(ANSWER.pack(0))
    while header := receive(connection, QUESTION.size):
        head_size, data_size = QUESTION.unpack(header)
        head, data = receive(connection, head_size), receive(connection, data_size)
        if head is None or data is None:
            return
        # Counts this process's own CPU time, so a question ends alike on a busy node and on an idle
        # one. The signal's default action ends the process even inside a library.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer = function(head, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.sendall(ANSWER.pack(len(answer)) + answer)


def _limit(kind: int, amount: int) -> None:
    """Sets a limit, or the lower one that already stands."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    resource.setrlimit(kind, (amount, amount))


def _connection() -> socket.socket:
    """Our side of the socket, out of the reach of programs that the function may start: one that
    outlived us would hold it open."""
    connection = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    # Nobody reads what libraries print, and a full pipe would stop us.
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return connection


def main(
    module: str,
    name: str,
    cpu_seconds: float,
    memory_bytes: int,
    file_bytes: int,
    maps_files: bool,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks, who closes us
    function = getattr(importlib.import_module(module), name)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    if sys.platform == "linux":  # other systems know the limit but do not allow it to be set
        _limit(resource.RLIMIT_DATA if maps_files else resource.RLIMIT_AS, memory_bytes)
    forbid_network()
    connection = _connection()
    try:
        _serve(connection, function, cpu_seconds)
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    except ConnectionError:
        os._exit(0)  # the other side went away while we answered


if __name__ == "__main__":
    module, name, cpu_seconds, memory_bytes, file_bytes, maps_files = sys.argv[1:]
    bounds = float(cpu_seconds), int(memory_bytes), int(file_bytes)
    main(module, name, *bounds, maps_files=maps_files == "True")
