"""What goes between the chunker and its parser process, over one socket.

Request: `REQUEST` (length of the language's name, of the data, and the largest chunk's size in
bytes), the name, the data. Reply: `REPLY` (a count), then as many ends of chunks, each a `CUT`.
One reply with a count of 0 says that the process is up. Instead of a reply the process may end.
"""

from __future__ import annotations

import socket
import struct
import time
from array import array

REQUEST = struct.Struct("=BII")
REPLY = struct.Struct("=I")
CUT = "I"

EXIT_OUT_OF_MEMORY = 12

# Nothing larger can be told in a request.
MAX_DATA_BYTES = 2**32 - 1


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


def pack_cuts(cuts: list[int]) -> bytes:
    return REPLY.pack(len(cuts)) + array(CUT, cuts).tobytes()
