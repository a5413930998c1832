"""The worker's HTTP server, asked over real connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from chroma_sync.api.contract import Result, decode_result
from chroma_sync.api.invocation import DocumentCounts
from chroma_sync.cli.serve import REQUESTS_MAX, progress_server

RESULT = Result(documents=DocumentCounts(discovered=3, indexed=2), bytes=70)


@pytest.fixture
def port() -> Iterator[int]:
    with progress_server(0, lambda: RESULT) as port:
        yield port


def get(port: int, path: str, host: str = "127.0.0.1") -> httpx.Response:
    return httpx.get(f"http://{host}:{port}{path}", trust_env=False)


def test_progress(port: int) -> None:
    answer = get(port, "/progress")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert decode_result(answer.content) == RESULT


def test_metrics(port: int) -> None:
    answer = get(port, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'chroma_sync_documents{verdict="indexed"} 2' in lines
    assert "chroma_sync_bytes 70" in lines


@pytest.mark.parametrize("path", ["/", "/healthz", "/progress/"])
def test_nothing_else_is_there(port: int, path: str) -> None:
    assert get(port, path).status_code == 404


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6(port: int) -> None:
    assert get(port, "/progress", "[::1]").status_code == 200


def test_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with progress_server(0, lambda: RESULT) as port:
        assert get(port, "/progress").status_code == 200
        with pytest.raises(httpx.ConnectError):
            get(port, "/progress", "[::1]")


def test_idle_connections_take_no_more_than_their_share(port: int) -> None:
    address = ("127.0.0.1", port)
    with ExitStack() as stack:
        for _ in range(REQUESTS_MAX):
            stack.enter_context(socket.create_connection(address, timeout=5))
        # Connections are taken in their order, so all the others are in by now.
        with socket.create_connection(address, timeout=2) as one_more:
            assert one_more.recv(1) == b"", "it is closed before it says anything"
    # Once they are gone, there is room again.
    give_up_at = time.monotonic() + 10
    while not is_answered(port):
        assert time.monotonic() < give_up_at


def is_answered(port: int) -> bool:
    try:
        return get(port, "/progress").status_code == 200
    except httpx.TransportError:
        return False
