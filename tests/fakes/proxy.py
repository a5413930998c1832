"""What stands before a server and answers itself, or with what the server says."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from fakes.scripted_tei import Reply

_BODY_MAX = 50 * 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """One request. The names of `headers` are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ProxyHandler(BaseHTTPRequestHandler):
    """Answers each request by `reply`."""

    protocol_version = "HTTP/1.1"

    def reply(self, asked: Asked) -> Reply | None:
        """The answer; None closes the connection without one."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _BODY_MAX:
            self.send_error(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.reply(Asked(self.command, self.path, headers, self.rfile.read(length)))
        if reply is None:
            self.close_connection = True
            return
        status, kind, data = reply
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at results, not at access logs."""


def forward(upstream: tuple[str, int], asked: Asked) -> Reply:
    """What the server behind answers."""
    connection = http.client.HTTPConnection(*upstream, timeout=60)
    kind = asked.headers.get("content-type", "application/json")
    connection.request(asked.method, asked.path, asked.body, {"Content-Type": kind})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers.get("Content-Type", "text/plain"), data
