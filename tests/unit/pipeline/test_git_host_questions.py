"""Questions to hosts that do not play by the rules: each ends, soon and small."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Stopped, Temporary
from chroma_sync.pipeline.fetch.git import http
from chroma_sync.pipeline.fetch.git.http import TlsSettings
from chroma_sync.pipeline.queues import StopSignal


@contextmanager
def host(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """One connection, served as told."""

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def drip(connection: socket.socket) -> None:
    """A header that never ends."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)
    except OSError:
        return  # given up, as it should be


def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SECONDS", 1.0)
    began = time.monotonic()
    with host(drip) as url, pytest.raises(Temporary) as caught:
        TlsSettings(StopSignal()).ask("GET", url, {})
    assert caught.value.reason is Reason.HOST_UNREACHABLE
    assert "no answer within 1 s" in str(caught.value)
    assert time.monotonic() - began < 10


def test_a_stop_ends_a_question() -> None:
    stop = StopSignal()
    threading.Timer(0.5, stop.stop).start()
    began = time.monotonic()
    with host(drip) as url, pytest.raises(Stopped):
        TlsSettings(stop).ask("GET", url, {})
    assert time.monotonic() - began < 10


@pytest.fixture
def endless_look_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name is ever found, nor known to be none."""
    released = threading.Event()

    def never(*_: object, **__: object) -> None:
        released.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    yield
    released.set()


@pytest.mark.usefixtures("endless_look_up")
def test_a_name_that_is_looked_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(Temporary) as caught:
        TlsSettings(StopSignal()).ask("GET", "http://git.example.com/", {})
    assert caught.value.reason is Reason.HOST_UNREACHABLE
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("endless_look_up")
def test_a_stop_ends_the_look_up_of_a_name() -> None:
    stop = StopSignal()
    threading.Timer(0.5, stop.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        TlsSettings(stop).ask("GET", "http://git.example.com/", {})
    assert time.monotonic() - began < 10


def test_an_answer_is_not_unpacked() -> None:
    """A small answer that would unpack to a huge one."""
    bomb = gzip.compress(gzip.compress(b"\0" * 50_000_000))

    def serve(connection: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(bomb) + bomb)

    with host(serve) as url:
        assert TlsSettings(StopSignal()).ask("GET", url, {}).body == bomb


def test_a_long_answer_is_cut() -> None:
    def serve(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000)
        except OSError:
            return  # cut off, as it should be

    with host(serve) as url:
        assert len(TlsSettings(StopSignal()).ask("GET", url, {}).body) == 262_144
