"""What goes between the two processes, over one socket.

Question: `QUESTION` (the lengths of its head and of its data), the head, the data. Answer: `ANSWER`
(its length), the answer. One answer of no bytes says that the process is up. Instead of an answer
the process may end.
"""

from __future__ import annotations

import socket
import struct
import time

QUESTION = struct.Struct("=II")
ANSWER = struct.Struct("=I")

EXIT_OUT_OF_MEMORY = 12

# Nothing larger can be told.
DATA_MAX = 2**32 - 1


def receive(connection: socket.socket, size: int, deadline: float | None = None) -> bytes | None:
    """Exactly `size` bytes; None when the other side has closed. `TimeoutError` past the deadline
    (of `time.monotonic`)."""
    parts = bytearray(size)
    view = memoryview(parts)
    while view:
        if deadline is not None:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
        count = connection.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return bytes(parts)
