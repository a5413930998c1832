"""A real Chroma server on loopback, of the release that this project uses."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

_START_SECONDS = 60


@contextmanager
def chroma_server(folder: Path) -> Iterator[str]:
    """Serve what a folder holds until the block ends. Yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--host", "127.0.0.1"]
    place = ["--port", str(port), "--path", str(folder)]
    with subprocess.Popen([*command, *place], stdout=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            give_up_at = time.monotonic() + _START_SECONDS
            while not _answers(f"{url}/api/v2/heartbeat"):
                assert server.poll() is None and time.monotonic() < give_up_at
                time.sleep(0.1)
            yield url
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
