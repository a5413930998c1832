"""A proxy in front of a real Chroma: it may want credentials on every route, and can refuse."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from fakes.running import running
from fakes.scripted_tei import Reply

PAGE = b"<html><head><title>%d</title></head><body><h1>%s</h1><p>nginx</p></body></html>"


@dataclass(frozen=True)
class Asked:
    """One request. The names of `headers` are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


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


def forward(upstream: tuple[str, int], asked: Asked) -> Reply:
    """What the server behind answers."""
    connection = http.client.HTTPConnection(*upstream, timeout=60)
    kind = asked.headers.get("content-type", "application/json")
    connection.request(asked.method, asked.path, asked.body, {"Content-Type": kind})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers.get("Content-Type", "text/plain"), data


@contextmanager
def guarded(chroma_url: str, refuse: Refuse) -> Iterator[Guard]:
    """Serve on loopback until the block ends."""
    guard = Guard(refuse)
    place = urlsplit(chroma_url)
    upstream = (str(place.hostname), int(place.port or 80))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            guard.asked.append(asked)
            status, kind, data = guard.refuse(asked) or forward(upstream, asked)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Tests look at results, not at access logs."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        server.daemon_threads = True
        guard.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield guard
