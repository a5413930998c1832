"""Asking a pod how far it is, against a server that answers as any pod could."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from aiohttp import web

from chroma_sync.api.contract import PROGRESS_MAX_BYTES, Result
from chroma_sync.cluster.progress import ProgressReader

GOOD = b'{"revision": "abc", "bytes": 7}'
READ = Result(revision="abc", bytes=7)


def read(answer: web.Response, address: str = "127.0.0.1") -> tuple[Result | None, list[str]]:
    """What the reader makes of an answer, and which paths it asked for."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return answer if request.path == "/progress" else web.Response(body=GOOD)

    async def main() -> Result | None:
        app = web.Application()
        app.router.add_get("/{path}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader = ProgressReader(runner.addresses[0][1])
        try:
            return await reader.read(address)
        finally:
            await reader.close()
            await runner.cleanup()

    return asyncio.run(main()), asked


def padded(size: int) -> web.Response:
    """A good answer after so much space that it has that size."""
    return web.Response(body=GOOD.rjust(size))


def test_a_good_answer_is_read() -> None:
    assert read(web.Response(body=GOOD)) == (READ, ["/progress"])


def test_an_answer_has_a_greatest_size() -> None:
    assert read(padded(PROGRESS_MAX_BYTES))[0] == READ
    assert read(padded(PROGRESS_MAX_BYTES + 1))[0] is None


def test_no_compressed_answer_is_unpacked() -> None:
    answer = web.Response(body=gzip.compress(GOOD), headers={"Content-Encoding": "gzip"})
    assert read(answer)[0] is None


def test_no_redirect_is_followed() -> None:
    answer = web.Response(status=302, headers={"Location": "/elsewhere"})
    assert read(answer) == (None, ["/progress"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"many"', b"\xff", GOOD + b"x"])
def test_what_is_no_result_is_refused(body: bytes) -> None:
    assert read(web.Response(body=body))[0] is None


def test_an_answer_that_is_an_error_is_refused() -> None:
    assert read(web.Response(status=500, body=GOOD))[0] is None


def test_only_an_ip_address_is_asked() -> None:
    assert read(web.Response(body=GOOD), "localhost") == (None, [])


def test_nobody_answers() -> None:
    async def main() -> Result | None:
        reader = ProgressReader(port=1)
        try:
            return await reader.read("127.0.0.1")
        finally:
            await reader.close()

    assert asyncio.run(main()) is None
