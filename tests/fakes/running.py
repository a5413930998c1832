"""Runs a server beside the test that asks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer
from typing import TypeVar

Server = TypeVar("Server", bound=BaseServer)
# How soon a server notices that it should end.
_POLL_SECONDS = 0.02


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Let a server answer, in a thread of its own, until the block ends; then close it."""
    with server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": _POLL_SECONDS}
        )
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
