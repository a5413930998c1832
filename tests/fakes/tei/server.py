"""HTTP for the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fakes.running import running
from fakes.tei.answers import Answer, text
from fakes.tei.service import BODY_MAX, Options, Service


class _Handler(BaseHTTPRequestHandler):
    server: TeiServer
    protocol_version = "HTTP/1.1"
    # An answer is two writes; without this the second one waits for an acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send(self._answer())

    def do_POST(self) -> None:
        self._send(self._answer())

    def _answer(self) -> Answer:
        length = int(self.headers.get("Content-Length") or 0)
        if length > 2 * BODY_MAX:
            # As TEI: the answer comes before the body is read, and the connection is closed.
            self.close_connection = True
            return text(413, "Failed to buffer the request body: length limit exceeded")
        raw = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return self.server.service.answer(self.command, self.path, headers, raw)

    def _send(self, answer: Answer) -> None:
        if answer.status == 413:
            self.close_connection = True
        self.send_response(answer.status)
        if answer.content_type is not None:
            self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at results, not at access logs."""


class TeiServer(ThreadingHTTPServer):
    """The server over one service."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], options: Options) -> None:
        self.service = Service(options)
        super().__init__(address, _Handler)


@contextmanager
def serving(options: Options | None = None) -> Iterator[str]:
    """Serve on loopback until the block ends. Yields the URL."""
    server = TeiServer(("127.0.0.1", 0), options or Options())
    try:
        with running(server):
            yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.service.close()
