"""The TEI client: against the recorded answers of a real server, and against servers in trouble."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from chroma_sync.pipeline.embed import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
    LocalMiniLM,
    TeiModel,
)
from chroma_sync.pipeline.embed.errors import TextTooLong
from chroma_sync.pipeline.embed.local import LOCAL_MODEL
from fakes.tei.server import serving
from fakes.tei.service import Options

RECORDINGS = Path(__file__).resolve().parents[2] / "tei-recordings"
Script = Callable[[str, bytes], tuple[int, str, bytes]]


def recorded(name: str) -> tuple[int, str, bytes]:
    """Status, content type and body of a recording."""
    answer = json.loads((RECORDINGS / f"{name}.json").read_text())["response"]
    text = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "")
    return answer["status"], answer["headers"].get("content-type", ""), text.encode()


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """A server whose every answer a script decides."""

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

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


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


@contextmanager
def client(url: str, clock: Clock | None = None, **options: Any) -> Iterator[TeiModel]:
    clock = clock or Clock()
    model = options.pop("model", "all-MiniLM-L6-v2")
    made = TeiModel(url, model=model, clock=clock, sleep=clock.sleep, **options)
    try:
        yield made
    finally:
        made.close()


def sound(path: str, body: bytes) -> tuple[int, str, bytes]:
    if path == "/info":
        return recorded("info")
    if path == "/tokenize":
        inputs = json.loads(body)["inputs"]
        token = {"id": 1, "text": "x", "special": False, "start": 0, "stop": 1}
        special = {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
        return (
            200,
            "application/json",
            json.dumps([[special, token, special]] * len(inputs)).encode(),
        )
    vectors = [[1.0, 0.0]] * len(json.loads(body)["inputs"])
    return 200, "application/json", json.dumps(vectors).encode()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("backend_error", EmbeddingRejected),
        ("embed_on_splade", EmbeddingRejected),
        ("embed_257_tokens", TextTooLong),
        ("embed_too_long_truncate_false", TextTooLong),
        ("embed_250_times_too_long", TextTooLong),
        ("embed_payload_too_large", EmbeddingRejected),
        ("embed_empty_string", EmbeddingRejected),
        ("embed_overloaded_once", EmbeddingUnavailable),
        ("nan_vector", EmbeddingRejected),
        ("zero_vector_normalized", EmbeddingRejected),
        ("key_missing", EmbeddingMisconfigured),
        ("unknown_route", EmbeddingMisconfigured),
    ],
)
def test_recorded_refusals(name: str, error: type[Exception]) -> None:
    def script(path: str, body: bytes) -> tuple[int, str, bytes]:
        if path != "/embed" or b'"probe"' in body:
            return sound(path, body)
        if name == "embed_overloaded_once":
            return recorded("batch_over_permits_idle")
        status, kind, data = recorded(name)
        if status == 200:
            # As many vectors as were asked for: the client halves a batch to find the text.
            data = json.dumps(json.loads(data)[: len(json.loads(body)["inputs"])]).encode()
        return status, kind, data

    with scripted(script) as url, client(url, retry_budget_seconds=60) as model:
        with pytest.raises(error):
            model.embed(["a text"])


@pytest.mark.parametrize("name", ["embed_list", "embed_string", "embed_trailing_text"])
def test_recorded_vectors(name: str) -> None:
    status, kind, data = recorded(name)
    vectors = np.array(json.loads(data), dtype=np.float32)

    def script(path: str, body: bytes) -> tuple[int, str, bytes]:
        return (status, kind, data) if path == "/embed" else sound(path, body)

    with scripted(script) as url, client(url) as model:
        got = model.embed(["x"] * len(vectors))
    assert got.dtype == np.float32
    assert np.allclose(got, vectors, atol=1e-6)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_trouble_is_waited_out(status: int) -> None:
    left = 5

    def script(path: str, body: bytes) -> tuple[int, str, bytes]:
        nonlocal left
        if path == "/embed" and left > 0:
            left -= 1
            return (status, *recorded("batch_over_permits_idle")[1:])
        return sound(path, body)

    clock = Clock()
    with scripted(script) as url, client(url, clock) as model:
        assert model.embed(["a"]).shape == (1, 2)
    assert len(clock.sleeps) == 5
    assert clock.sleeps[-1] > clock.sleeps[0]
    assert max(clock.sleeps) <= 5


def test_the_budget_bounds_the_retries() -> None:
    def script(path: str, body: bytes) -> tuple[int, str, bytes]:
        return recorded("batch_over_permits_idle") if path == "/embed" else sound(path, body)

    clock = Clock()
    with scripted(script) as url, client(url, clock, retry_budget_seconds=30) as model:
        with pytest.raises(EmbeddingUnavailable, match="overloaded"):
            model.embed(["a"])
    assert 25 <= clock.now <= 31


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with client("http://127.0.0.1:1", retry_budget_seconds=1) as model:
        with pytest.raises(EmbeddingUnavailable, match=r"127\.0\.0\.1:1"):
            model.info()


def test_another_model_is_refused() -> None:
    with scripted(sound) as url, client(url, model="acme/other") as model:
        with pytest.raises(EmbeddingMisconfigured, match="serves 'all-MiniLM-L6-v2'") as caught:
            model.info()
    assert caught.value.reason == "ModelNotServed"


def test_the_text_to_blame_is_found_and_named() -> None:
    def script(path: str, body: bytes) -> tuple[int, str, bytes]:
        if path == "/embed" and b"poison" in body:
            return recorded("backend_error")
        return sound(path, body)

    with scripted(script) as url, client(url) as model:
        texts = [f"text {i}" for i in range(20)]
        assert model.embed(texts).shape == (20, 2)
        texts[13] = "poison"
        with pytest.raises(EmbeddingRejected) as caught:
            model.embed(texts)
    assert caught.value.index == 13


def answers_of_embed(*answers: bytes) -> Script:
    left = iter(answers)

    def script(path: str, body: bytes) -> tuple[int, str, bytes]:
        if path != "/embed":
            return sound(path, body)
        return 200, "application/json", next(left)

    return script


def test_a_wrong_count_is_asked_again() -> None:
    script = answers_of_embed(b"[[1.0, 0.0]]", b"[]", b"{}", b"[[1.0, 0.0], [0.0, 1.0]]")
    with scripted(script) as url, client(url) as model:
        assert model.embed(["a", "b"]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_dimension_that_changes_is_refused() -> None:
    script = answers_of_embed(b"[[1.0, 0.0]]", b"[[1.0, 0.0, 0.0]]")
    with scripted(script) as url, client(url) as model:
        model.embed(["a"])
        with pytest.raises(EmbeddingMisconfigured, match="3 dimensions after some of 2"):
            model.embed(["b"])


def test_a_token_is_sent_and_never_told() -> None:
    with serving(Options(api_key="canary-55e1")) as url:
        with client(url, model=LOCAL_MODEL, token="canary-55e1") as model:
            assert model.embed(["a"]).shape == (1, 384)
        with client(url, model=LOCAL_MODEL, token="canary-wrong") as model:
            with pytest.raises(EmbeddingMisconfigured) as caught:
                model.info()
    assert caught.value.reason == "CredentialsRejected"
    assert "canary" not in str(caught.value)


def test_batches_fit_the_server() -> None:
    options = Options(max_client_batch_size=4, max_concurrent_requests=4)
    texts = [f"text number {i}" for i in range(11)]
    with serving(options) as url, client(url, model=LOCAL_MODEL) as model:
        assert model.info().max_batch == 4
        got = model.embed(texts)
        counts = httpx.get(f"{url}/_test/counts", trust_env=False).json()
    assert counts["requests"] == 3
    cosines = (got * LocalMiniLM().embed(texts)).sum(axis=1)
    assert cosines.min() >= 0.9999
