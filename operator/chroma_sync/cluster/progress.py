"""Asking a worker's pod how far it is: best effort, and never trusted.

Anyone who may create pods can answer on such an address. So the answer is bounded, strictly parsed,
and can only ever change the counts shown on the pod's own Invocation.
"""

from __future__ import annotations

import ipaddress
from typing import Final

import aiohttp

from chroma_sync.api.contract import PROGRESS_MAX_BYTES, PROGRESS_PORT, Result, decode_result

TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)


class ProgressReader:
    """Reads `GET /progress` of pods."""

    def __init__(self, port: int = PROGRESS_PORT) -> None:
        self._port = port
        self._session: aiohttp.ClientSession | None = None

    async def read(self, address: str) -> Result | None:
        """The pod's result so far; None when it can't be had, whatever the reason."""
        try:
            host = _host(address)
            async with self._open().get(
                f"http://{host}:{self._port}/progress", allow_redirects=False
            ) as response:
                if response.status != 200:
                    return None
                # An answer that is cut at the limit is no whole JSON, so it is refused below.
                return decode_result(await _read(response.content, PROGRESS_MAX_BYTES))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=TIMEOUT,
                trust_env=False,
                auto_decompress=False,  # so that the limit counts what is kept in memory
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=64, limit_per_host=2),
            )
        return self._session


def _host(address: str) -> str:
    """The address for a URL. Raises ValueError for what is not an IP address."""
    ip = ipaddress.ip_address(address)
    return f"[{ip}]" if ip.version == 6 else str(ip)


async def _read(stream: aiohttp.StreamReader, limit: int) -> bytes:
    """All that comes until the end, at most `limit` bytes of it."""
    data = bytearray()
    while len(data) < limit and (piece := await stream.read(limit - len(data))):
        data += piece
    return bytes(data)
