"""The small HTTP server of a worker's pod: `/progress` for the operator, `/metrics` for Prometheus.

Both are read-only and hold counts, names and reasons, never a text or a secret.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chroma_sync.api.contract import Result, encode_result


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


@contextmanager
def progress_server(address: tuple[str, int], snapshot: Callable[[], Result]) -> Iterator[int]:
    """Serve snapshots of the progress until the block ends. Yields the port."""

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

    with ThreadingHTTPServer(address, Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
