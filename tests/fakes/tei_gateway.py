"""What stands in front of a TEI server and refuses: an ingress, a firewall, an AI gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import numpy as np

from chroma_sync.pipeline.embed import Model
from fakes.scripted_tei import Reply, Script, ok, recorded, sound

JSON = "application/json"
HTML = "text/html; charset=utf-8"


def of_model(model: Model) -> Script:
    """A sound TEI that serves a model of this process."""

    def script(path: str, body: bytes) -> Reply:
        info = model.info()
        if path == "/info":
            limits = {
                "model_id": info.model_id,
                "max_input_length": info.max_input_tokens,
                "max_batch_tokens": info.max_input_tokens * info.max_batch,
                "max_concurrent_requests": info.max_concurrent_inputs,
                "max_client_batch_size": info.max_batch,
            }
            return ok(json.loads(recorded("info")[2]) | limits)
        inputs = json.loads(body)["inputs"]
        if path == "/tokenize":
            texts = [tokens.offsets for tokens in model.tokenize(inputs)]
            return ok([[{"start": a, "stop": b} for a, b in offsets] for offsets in texts])
        return ok(np.asarray(model.embed(inputs)).tolist())

    return script


def forward_to(url: str) -> Script:
    """A server behind this one, which is asked as it is asked."""

    def script(path: str, body: bytes) -> Reply:
        method = "POST" if body else "GET"
        headers = {"Content-Type": JSON}
        answer = httpx.request(
            method, url + path, content=body, headers=headers, trust_env=False, timeout=60
        )
        return answer.status_code, answer.headers.get("content-type", ""), answer.content

    return script


@dataclass
class Refusing:
    """Answers with `reply` what comes to the routes `paths`: from request number `first` on, so
    many `times` (None: for ever), and of these only what `chooses` says of the body."""

    reply: Reply
    paths: tuple[str, ...] = ("/embed", "/tokenize")
    first: int = 0
    times: int | None = None
    chooses: Callable[[bytes], bool] = lambda body: True
    seen: int = 0
    refused: int = 0

    def refuses(self, path: str, body: bytes) -> bool:
        """Whether this request is refused. Counts it."""
        if path not in self.paths or not self.chooses(body):
            return False
        self.seen += 1
        if self.seen <= self.first or self.refused == self.times:
            return False
        self.refused += 1
        return True


@dataclass
class Gateway:
    """A script that passes on to `upstream` whatever no rule refuses. Both may be changed while it
    serves. `passed` are the requests that went through, by path and body."""

    upstream: Script = sound
    rules: list[Refusing] = field(default_factory=list)
    passed: list[tuple[str, bytes]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, path: str, body: bytes) -> Reply:
        with self._lock:
            for rule in self.rules:
                if rule.refuses(path, body):
                    return rule.reply
            self.passed.append((path, body))
        return self.upstream(path, body)


def refused_as_json(status: int) -> Reply:
    """A refusal in the form that TEI's own have."""
    body = {"error": "Request was refused by policy", "error_type": "Validation"}
    return status, JSON, json.dumps(body).encode()


# One of each kind that TEI has for a text of its own.
TEXT_REFUSALS: dict[str, Reply] = {
    "JSON 422": refused_as_json(422),
    "JSON 400": refused_as_json(400),
    "JSON 413": refused_as_json(413),
    "HTML 413": (413, HTML, b"<h1>413 Request Entity Too Large</h1>"),
    "JSON 424": refused_as_json(424),
    "too long": (
        *(422, JSON),
        b'{"error": "Input validation error: `inputs` must have less than 256 tokens. Given: 300"}',
    ),
}
# What no TEI says: a proxy that is reloaded, a login page, a parser of its own, a lapsed token.
ODD_ANSWERS: dict[str, Reply] = {
    "404 page": (404, HTML, b"<h1>404 Not Found</h1>"),
    "redirect": (302, "", b""),
    "text 400": (400, "text/plain", b"Bad Request"),
    "401": (401, "", b""),
    "403 page": (403, HTML, b"<h1>403 Forbidden</h1>"),
    "200 page": (200, HTML, b"<h1>Sign in</h1>"),
}
