"""The small HTTP server of a worker's pod: `/progress` for the operator, `/metrics` for Prometheus.

Both are read-only and hold counts, names and reasons, never a text or a secret.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chroma_sync.api.contract import Result, encode_result

REQUESTS_MAX = 8  # at once; the operator and a Prometheus need two


def metrics_text(result: Result) -> str:
    """The counts of a result in the Prometheus text format."""
    lines = ["# TYPE chroma_sync_documents gauge"]
    for verdict, count in result.documents.model_dump().items():
        lines.append(f'chroma_sync_documents{{verdict="{verdict}"}} {count}')
    lines.append("# TYPE chroma_sync_chunks gauge")
    for state, count in result.chunks.model_dump().items():
        lines.append(f'chroma_sync_chunks{{state="{state}"}} {count}')
    lines += ["# TYPE chroma_sync_bytes gauge", f"chroma_sync_bytes {result.bytes}"]
    return "\n".join(lines) + "\n"


class _Server(ThreadingHTTPServer):
    """Answers over IPv6 and IPv4, each where there is one. A connection beyond `REQUESTS_MAX` is
    closed at once, so that idle ones cost the worker few threads."""

    daemon_threads = True

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(REQUESTS_MAX)
        if socket.has_dualstack_ipv6():
            self.address_family = socket.AF_INET6
        super().__init__(("", port), handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            # What it stands at is up to the node's sysctl.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


@contextmanager
def progress_server(port: int, snapshot: Callable[[], Result]) -> Iterator[int]:
    """Serve snapshots of the progress on all addresses until the block ends. Yields the port,
    which the system chooses when it is 0."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/progress":
                self._answer("application/json", encode_result(snapshot()))
            elif self.path == "/metrics":
                text = metrics_text(snapshot())
                self._answer("text/plain; version=0.0.4; charset=utf-8", text.encode())
            else:
                self.send_error(404)

        def _answer(self, content_type: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests every few seconds would drown the log."""

    with _Server(port, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
