"""A TEI server that drips its answer, and one that serves another owner's model."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chroma_sync.pipeline.embed import EmbeddingUnavailable, TeiModel
from chroma_sync.pipeline.embed.tei_answers import is_named


@pytest.fixture
def dripping_url() -> Iterator[str]:
    """A server that answers one request with a byte every 50 ms, for 5 s at most."""

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(100):
                time.sleep(0.05)
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_an_answer_that_drips_is_given_up(dripping_url: str) -> None:
    model = TeiModel(dripping_url, model="a", timeout=0.5, retry_budget_seconds=0)
    began = time.monotonic()
    with pytest.raises(EmbeddingUnavailable, match=r"/info took over 0\.5 s to answer"):
        model.info()
    model.close()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("served", "same"),
    [
        ("BAAI/bge-small", True),
        ("baai/BGE-small", True),
        ("other/bge-small", False),
        ("bge-small", True),
        ("/data/bge-small", True),
        ("/bge-small/", True),
        ("./bge-small", True),
        ("/data/other/bge-small", True),
        ("/data/bge-large", False),
    ],
)
def test_an_owner_counts_where_the_server_names_one(served: str, same: bool) -> None:
    assert is_named("BAAI/bge-small", [served, ""]) is same
