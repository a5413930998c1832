"""A gate in front of Chroma that can stop one request at a chosen moment, for tests of crashes.

`POST /_test/hold {"before": N, "path": "/upsert", "text": ""}` lets N matching requests pass and
holds the next one before Chroma sees it; with "after": N it is forwarded and its answer is held.
A request matches when its path ends with `path` and its body contains `text`. `GET /_test/holding`
says whether one is held now: no longer when its client is gone. `POST /_test/release` lets it go
and holds no more.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

from fakes.proxy import Asked, ProxyHandler, forward
from fakes.scripted_tei import Reply

_HOLD_SECONDS = 120
_LOOK_SECONDS = 0.1


class Gate(ThreadingHTTPServer):
    """The server. `upstream` is Chroma's host and port."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], upstream: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.upstream = upstream
        self.lock = threading.Lock()
        self.rule: dict[str, object] | None = None
        self.left = 0
        self.holding = threading.Event()
        self.released = threading.Event()

    def hold(self, rule: dict[str, object]) -> None:
        """Begin to wait for the request to hold."""
        with self.lock:
            self.rule = rule
            self.left = int(str(rule.get("before", rule.get("after", 0))))
            self.holding.clear()
            self.released.clear()

    def release(self) -> None:
        """Let the held request go; hold no more."""
        with self.lock:
            self.rule = None
        self.holding.clear()
        self.released.set()

    def chosen(self, path: str, body: bytes) -> str:
        """`before`, `after` or nothing: whether this is the request to hold."""
        with self.lock:
            rule = self.rule
            if rule is None or not path.endswith(str(rule["path"])):
                return ""
            if str(rule.get("text", "")).encode() not in body:
                return ""
            self.left -= 1
            if self.left >= 0:
                return ""
            self.rule = None
            return "before" if "before" in rule else "after"

    def wait(self, client: socket.socket) -> None:
        """Hold the calling request."""
        self.holding.set()
        give_up_at = time.monotonic() + _HOLD_SECONDS
        while not self.released.wait(_LOOK_SECONDS) and time.monotonic() < give_up_at:
            if _is_gone(client):
                self.holding.clear()
                return


class _Handler(ProxyHandler):
    server: Gate

    def reply(self, asked: Asked) -> Reply | None:
        if asked.path.startswith("/_test/"):
            return 200, "application/json", self._admin(asked)
        when = self.server.chosen(urlsplit(asked.path).path, asked.body)
        if when == "before":
            self.server.wait(self.connection)
            return None
        answer = forward(self.server.upstream, asked)
        if when == "after":
            self.server.wait(self.connection)
            return None
        return answer

    def _admin(self, asked: Asked) -> bytes:
        if asked.path == "/_test/hold":
            self.server.hold(json.loads(asked.body))
        elif asked.path == "/_test/release":
            self.server.release()
        return json.dumps({"holding": self.server.holding.is_set()}).encode()


def _is_gone(client: socket.socket) -> bool:
    """Whether the other side has closed the connection. It sends nothing before the answer."""
    try:
        return bool(select.select([client], [], [], 0)[0]) and not client.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        return True


if __name__ == "__main__":
    host, _, port = sys.argv[1].partition(":")
    with Gate(("", int(sys.argv[2])), (host, int(port))) as main_server:
        main_server.serve_forever()
