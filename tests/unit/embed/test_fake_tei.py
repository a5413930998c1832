"""The stand-in for TEI against recordings of a real one: same request, same answer."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from chroma_sync.pipeline.embed import LocalMiniLM
from fakes.tei.server import serving
from fakes.tei.service import Options

RECORDINGS = Path(__file__).resolve().parents[2] / "tei-recordings"
# Other models, or models that are broken on purpose: the stand-in serves all-MiniLM-L6-v2 only.
OTHER_MODELS = {
    "backend_error": "a model that was broken on purpose",
    "batch_over_permits_idle": "see test_permits",
    "batch_over_permits_sparse": "SPLADE",
    "embed_on_splade": "SPLADE",
    "embed_overloaded": "four requests at once: see test_permits",
    "embed_qwen3": "Qwen3",
    "embed_sparse": "SPLADE",
    "embed_sparse_too_long_truncate_absent": "SPLADE",
    "embed_sparse_too_long_truncate_false": "SPLADE",
    "info_qwen3": "Qwen3",
    "info_splade": "SPLADE",
    "nan_vector": "a model that was broken on purpose",
    "nan_vector_base64": "a model that was broken on purpose",
    "zero_vector_normalized": "a model that was broken on purpose",
}
# Bodies too large to be recorded.
DESCRIBED = {
    "embed_250_times_too_long": {"inputs": ["x" * 80_000], "truncate": False},
    "embed_33_and_over_payload": {"inputs": ["x" * 70_000] * 33},
    "embed_payload_too_large": {"inputs": ["x" * 2_100_000]},
}
REPLAYED = sorted({f.stem for f in RECORDINGS.glob("*.json")} - set(OTHER_MODELS))


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """One server with default flags, and one with a key and no truncation."""
    plain = Options(model_id="all-MiniLM-L6-v2", model_sha=None)
    keyed = Options(
        api_key="sesame", max_concurrent_requests=64, auto_truncate=False, model_sha=None
    )
    with serving(plain) as first, serving(keyed) as second:
        yield first, second


def test_every_recording_is_replayed_or_named() -> None:
    assert set(OTHER_MODELS) <= {f.stem for f in RECORDINGS.glob("*.json")}
    assert len(REPLAYED) >= 40


@pytest.mark.parametrize("name", REPLAYED)
def test_replay(name: str, servers: tuple[str, str]) -> None:
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    request, recorded = recording["request"], recording["response"]
    url = servers[name.startswith(("key_", "server_"))]
    body = request.get("raw")
    if body is None and (value := DESCRIBED.get(name, request.get("json"))) is not None:
        # As the recorder wrote it: serde_json counts columns of this form.
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    got = httpx.request(
        request["method"],
        url + request["path"],
        headers=request["headers"],
        content=None if body is None else body.encode(),
        trust_env=False,
        timeout=60,
    )
    assert got.status_code == recorded["status"], got.text
    kind = recorded["headers"].get("content-type")
    assert kind is None or got.headers.get("content-type") == kind
    if "json" not in recorded:
        assert _without_place(got.text) == _without_place(recorded["text"])
        return
    _same(got.json(), recorded["json"], loose="float16" in recording["server"])


def test_permits() -> None:
    """A batch over the permits is refused for ever; batches together are refused at once."""
    options = Options(max_concurrent_requests=16)
    with serving(options) as url, httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        recorded = json.loads((RECORDINGS / "batch_over_permits_idle.json").read_text())
        for _ in range(2):
            got = http.post("/embed", json=recorded["request"]["json"])
            assert got.status_code == recorded["response"]["status"] == 429
            assert got.json() == recorded["response"]["json"]
        http.post("/_test/delay", json={"seconds": 0.5})
        with ThreadPoolExecutor(4) as pool:
            posts = [pool.submit(http.post, "/embed", json={"inputs": ["a"] * 8}) for _ in "abcd"]
        assert sorted(p.result().status_code for p in posts) == [200, 200, 429, 429]
        assert http.get("/_test/counts").json()["texts"] == 16


def test_faults() -> None:
    with serving() as url, httpx.Client(base_url=url, trust_env=False) as http:
        for status in (429, 503, 424):
            http.post("/_test/faults", json={"status": status, "seconds": 60})
            assert http.post("/embed", json={"inputs": "a"}).status_code == status
        http.post("/_test/reset")
        assert http.post("/embed", json={"inputs": "a"}).status_code == 200


def test_tokenize_and_decode_have_limits_too(servers: tuple[str, str]) -> None:
    with httpx.Client(base_url=servers[0], trust_env=False) as http:

        def post(path: str, value: Any) -> tuple[int, str]:
            got = http.post(path, json=value)
            return got.status_code, got.text

        too_many = json.dumps(
            {
                "error": "batch size 33 > maximum allowed batch size 32",
                "error_type": "Validation",
            },
            separators=(",", ":"),
        )
        assert post("/tokenize", {"inputs": ["a"] * 33}) == (422, too_many)
        assert post("/tokenize", {"inputs": [""]})[0] == 400
        assert post("/tokenize", {"inputs": "x" * 64_001})[0] == 422
        assert post("/tokenize", {"inputs": [[1]]})[0] == 422
        assert post("/decode", {"ids": [101, 7592, 102]}) == (200, '["hello"]')
        assert post("/decode", {"ids": ["hello"]})[0] == 422
        assert post("/decode", {})[0] == 422
        assert post("/embed", {"inputs": "a", "dimensions": "many"})[0] == 422
        assert len(http.post("/tokenize", json={"inputs": "x " * 3_000}).json()[0]) == 3_002


def test_vectors_are_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(cache=str(tmp_path / "vectors.sqlite"))
    text = {"inputs": "a text that was not seen before"}
    with serving(options) as url:
        first = httpx.post(f"{url}/embed", json=text, trust_env=False).content
    monkeypatch.setattr(LocalMiniLM, "pool", lambda self, ids: pytest.fail("made again"))
    with serving(options) as url:
        assert httpx.post(f"{url}/embed", json=text, trust_env=False).content == first


def test_the_command_serves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fakes.tei", "--port", str(port), "--model-id", "acme/x"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "KEY": "sesame"}
    with subprocess.Popen([*command, "--api-key-env", "KEY"], env=environment) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
                _wait_until_healthy(http)
                assert http.get("/info").status_code == 401
                info = http.get("/info", headers={"Authorization": "Bearer sesame"}).json()
        finally:
            process.terminate()
    assert info["model_id"] == "acme/x"


def _wait_until_healthy(http: httpx.Client) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            assert http.get("/health").status_code == 200
            return
        except httpx.ConnectError:
            assert time.monotonic() < end, "it never listened"
            time.sleep(0.05)


def _without_place(text: str) -> str:
    """An error message without its column, which depends on blanks in the request."""
    return text.partition(" at line ")[0]


def _same(got: Any, recorded: Any, *, loose: bool) -> None:
    if isinstance(recorded, list) and recorded and isinstance(recorded[0], list):
        if isinstance(recorded[0][0], float):
            _same_vectors(np.array(got), np.array(recorded), loose=loose)
            return
    if isinstance(recorded, dict) and recorded.get("object") == "list":
        assert got["usage"] == recorded["usage"]
        assert got["model"] == recorded["model"]
        assert [d["index"] for d in got["data"]] == [d["index"] for d in recorded["data"]]
        _same_vectors(_openai_vectors(got), _openai_vectors(recorded), loose=loose)
        return
    assert got == recorded


def _openai_vectors(answer: dict[str, Any]) -> Any:
    rows = [d["embedding"] for d in answer["data"]]
    if isinstance(rows[0], str):
        return np.array([np.frombuffer(base64.b64decode(row), "<f4") for row in rows])
    return np.array(rows)


def _same_vectors(got: Any, recorded: Any, *, loose: bool) -> None:
    assert got.shape == recorded.shape
    lengths = np.linalg.norm(got, axis=1), np.linalg.norm(recorded, axis=1)
    assert np.allclose(*lengths, rtol=1e-2 if loose else 1e-3)
    cosines = (got * recorded).sum(axis=1) / (lengths[0] * lengths[1])
    assert cosines.min() >= 0.9999
