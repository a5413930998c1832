"""A server whose every answer a script decides, and answers that a real TEI once gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fakes.running import running

RECORDINGS = Path(__file__).resolve().parents[1] / "tei-recordings"

Reply = tuple[int, str, bytes]  # status, content type (may be empty), body
Script = Callable[[str, bytes], Reply]  # of path and body


def recorded(name: str) -> Reply:
    """The answer of a recording, the first one where it holds several."""
    recording = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    answer = recording["response"] if "response" in recording else recording["responses"][0]
    text = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "")
    kind = answer["headers"].get("content-type", "")
    return answer["status"], kind, answer.get("body", text).encode()


def ok(value: Any) -> Reply:
    """A 200 with JSON."""
    return 200, "application/json", json.dumps(value).encode()


def sound(path: str, body: bytes) -> Reply:
    """What a TEI answers that is well. Its model has two dimensions."""
    if path == "/info":
        return recorded("info")
    inputs = json.loads(body)["inputs"]
    if path == "/tokenize":
        token = {"id": 1, "text": "x", "special": False, "start": 0, "stop": 1}
        special = {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
        return ok([[special, token, special]] * len(inputs))
    return ok([[1.0, 0.0]] * len(inputs))


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """Serve on loopback until the block ends. Yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(b"")

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers["Content-Length"])))

        def _reply(self, body: bytes) -> None:
            status, kind, data = script(self.path, body)
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
