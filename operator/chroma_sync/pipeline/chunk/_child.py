"""The parser process: `python -m chroma_sync.pipeline.chunk._child MEMORY_BYTES CPU_SECONDS`.

Standard input is a socket to the chunker (see `protocol.py`). The process ends when the chunker
closes it, and by `SIGPROF` when a parse has taken `CPU_SECONDS`.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys

from chroma_sync.pipeline.chunk.protocol import (
    EXIT_OUT_OF_MEMORY,
    REPLY,
    REQUEST,
    pack_cuts,
    receive,
)
from chroma_sync.pipeline.chunk.syntax import syntax_cuts


def _serve(connection: socket.socket, cpu_seconds: float) -> None:
    connection.sendall(REPLY.pack(0))
    while header := receive(connection, REQUEST.size):
        name_size, data_size, max_size = REQUEST.unpack(header)
        name, data = receive(connection, name_size), receive(connection, data_size)
        if name is None or data is None:
            return
        # Counts this process's own CPU time, so a file is cut alike on a busy node and on an idle
        # one. The signal's default action ends the process even inside a grammar.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        cuts = syntax_cuts(name.decode("ascii"), data, max_size)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.sendall(pack_cuts(cuts))


def _limit(kind: int, amount: int) -> None:
    """Sets a limit, or the lower one that already stands."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    resource.setrlimit(kind, (amount, amount))


def _silence() -> None:
    """Sends what grammars print to nowhere: nobody reads it, and a full pipe would stop us."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)


def main(memory_bytes: int, cpu_seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the chunker, which closes us
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":  # other systems know the limit but do not allow it to be set
        _limit(resource.RLIMIT_AS, memory_bytes)
    _silence()
    try:
        _serve(socket.socket(fileno=0), cpu_seconds)
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    except ConnectionError:
        os._exit(0)  # the chunker went away while we answered


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
