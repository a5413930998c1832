"""A proxy in front of a real Chroma: it may want credentials on every route, and can refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

from fakes.proxy import Asked, ProxyHandler, forward
from fakes.running import running
from fakes.scripted_tei import Reply

PAGE = b"<html><head><title>%d</title></head><body><h1>%s</h1><p>nginx</p></body></html>"


Refuse = Callable[[Asked], Reply | None]


@dataclass
class Guard:
    """What the proxy saw, and the rule by which it refuses: None lets a request pass."""

    refuse: Refuse
    url: str = ""
    asked: list[Asked] = field(default_factory=list)


def page(status: int, title: str) -> Reply:
    """What a proxy says by itself."""
    return status, "text/html", PAGE % (status, title.encode())


def wants(header: str, value: str) -> Refuse:
    """Let in only who brings a header of this value, on all routes."""
    return lambda asked: (
        None if asked.headers.get(header.lower()) == value else page(401, "401 Unauthorized")
    )


@contextmanager
def guarded(chroma_url: str, refuse: Refuse) -> Iterator[Guard]:
    """Serve on loopback until the block ends."""
    guard = Guard(refuse)
    place = urlsplit(chroma_url)
    upstream = (str(place.hostname), int(place.port or 80))

    class Handler(ProxyHandler):
        def reply(self, asked: Asked) -> Reply:
            guard.asked.append(asked)
            return guard.refuse(asked) or forward(upstream, asked)

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        server.daemon_threads = True
        guard.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield guard
