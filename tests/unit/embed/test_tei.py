"""The TEI client against servers in trouble, of another kind, or with limits of their own."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from chroma_sync.pipeline.embed import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
    TeiModel,
)
from chroma_sync.pipeline.embed.local import LOCAL_MODEL
from chroma_sync.pipeline.embed.tei_answers import is_named
from fakes.scripted_tei import Clock, Reply, Script, ok, recorded, scripted, sound
from fakes.tei.server import serving
from fakes.tei.service import Options
from unit.embed.client import client, degrees, numbered


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_trouble_is_waited_out(status: int) -> None:
    left = 5

    def script(path: str, body: bytes) -> Reply:
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
    def script(path: str, body: bytes) -> Reply:
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
    def script(path: str, body: bytes) -> Reply:
        if path == "/embed" and b"poison" in body:
            return recorded("backend_error")
        return sound(path, body)

    with scripted(script) as url, client(url) as model:
        texts = [f"text {i}" for i in range(20)]
        assert model.embed(texts).shape == (20, 2)
        texts[13] = "poison"
        with pytest.raises(EmbeddingRejected) as caught:
            model.embed(texts)
    assert set(caught.value.refused) == {13}


def test_one_failed_computation_blames_nobody() -> None:
    failures = iter([True])
    requests = 0

    def script(path: str, body: bytes) -> Reply:
        nonlocal requests
        requests += path == "/embed"
        if path == "/embed" and next(failures, False):
            return recorded("backend_error")
        return numbered(path, body)

    with scripted(script) as url, client(url) as model:
        assert degrees(model.embed(["1", "2", "3"])) == [1, 2, 3]
    assert requests == 2


def test_a_backend_that_fails_with_any_text_gives_no_verdict() -> None:
    clock = Clock()

    def script(path: str, body: bytes) -> Reply:
        if path == "/embed" and clock.now < 20:
            return recorded("backend_error")
        return numbered(path, body)

    with scripted(script) as url, client(url, clock, retry_budget_seconds=60) as model:
        assert degrees(model.embed(["1", "2", "3"])) == [1, 2, 3]
    with scripted(script) as url, client(url, Clock(), retry_budget_seconds=10) as model:
        clock.now = 0
        with pytest.raises(EmbeddingUnavailable, match="424"):
            model.embed(["1"])


def test_a_server_that_comes_back_with_another_model_is_refused() -> None:
    restarted = False

    def script(path: str, body: bytes) -> Reply:
        nonlocal restarted
        if path == "/embed" and not restarted:
            restarted = True
            return 503, "", b""
        return recorded("info_qwen3") if path == "/info" and restarted else sound(path, body)

    with scripted(script) as url, client(url) as model:
        with pytest.raises(EmbeddingMisconfigured, match="serves 'tiny-qwen3'"):
            model.embed(["a"])


def test_a_model_without_dense_vectors_is_refused() -> None:
    def script(path: str, body: bytes) -> Reply:
        return recorded("info_splade") if path == "/info" else sound(path, body)

    with scripted(script) as url, client(url, model="tiny-splade") as model:
        with pytest.raises(EmbeddingMisconfigured, match="no dense vectors"):
            model.info()


def test_a_connection_that_breaks_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clock = Clock()
        with client(f"http://127.0.0.1:{port}", clock, timeout=0.2, retry_budget_seconds=1) as one:
            # It accepts and never answers.
            with pytest.raises(EmbeddingUnavailable, match="ReadTimeout"):
                one.info()
    assert clock.sleeps

    def script(path: str, body: bytes) -> Reply:
        if path == "/embed" and next(breaks, False):
            raise ConnectionAbortedError
        return numbered(path, body)

    breaks = iter([True, True])
    with scripted(script) as url, client(url) as model:
        assert degrees(model.embed(["4"])) == [4]


def test_a_storm_of_refusals_is_waited_out_by_all_threads() -> None:
    options = Options(max_concurrent_requests=40)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    texts = [[f"text {i} of {thread}" for i in range(8)] for thread in range(6)]
    with serving(options) as url:
        told: list[str] = []
        model = TeiModel(url, model=LOCAL_MODEL, sleep=sleep, on_wait=told.append)
        httpx.post(f"{url}/_test/delay", json={"seconds": 0.1}, trust_env=False)
        with ThreadPoolExecutor(6) as pool:
            got = list(pool.map(model.embed, texts))
        httpx.post(f"{url}/_test/delay", json={"seconds": 0}, trust_env=False)
        counts = httpx.get(f"{url}/_test/counts", trust_env=False).json()
        expected = [model.embed(some) for some in texts]
        model.close()
    assert pauses
    assert told == [], "overload is no trouble"
    assert counts["texts"] == 48
    for vectors, reference in zip(got, expected, strict=True):
        assert np.allclose(vectors, reference, atol=1e-5)


def test_a_wait_is_told_and_its_end() -> None:
    told: list[str] = []

    def script(path: str, body: bytes) -> Reply:
        return (503, "", b"") if path == "/embed" and next(breaks, False) else sound(path, body)

    breaks = iter([True, True])
    with scripted(script) as url, client(url, on_wait=told.append) as model:
        model.embed(["a"])
    assert told == [f"{url}/embed answered 503"] * 2 + [""]


def test_limits_that_are_changed_during_an_interruption_are_refused() -> None:
    """Long texts would be cut into other windows."""

    def script(path: str, body: bytes) -> Reply:
        if path == "/info" and interrupted:
            status, kind, data = sound(path, body)
            return status, kind, json.dumps({**json.loads(data), "max_input_length": 17}).encode()
        if path == "/embed" and not interrupted:
            interrupted.append(True)
            return 503, "", b""
        return sound(path, body)

    interrupted: list[bool] = []
    with scripted(script) as url, client(url) as model:
        with pytest.raises(EmbeddingMisconfigured, match="its model was changed") as caught:
            model.embed(["a"])
    assert caught.value.reason == "ModelNotServed"


@pytest.mark.parametrize("url", ["", "tei:8080", "ftp://tei", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(EmbeddingMisconfigured, match="http://HOST"):
        TeiModel(url, model="a")


def test_an_address_is_shown_without_its_password() -> None:
    with client("http://me:canary-71@127.0.0.1:1/tei/", retry_budget_seconds=0) as model:
        with pytest.raises(EmbeddingUnavailable) as caught:
            model.info()
    assert "canary" not in str(caught.value)
    assert "http://127.0.0.1:1/tei/info" in str(caught.value)


@pytest.mark.parametrize("token", ["canary\n", "canary-ü"])
def test_a_token_that_no_header_can_hold_is_refused_unquoted(token: str) -> None:
    with pytest.raises(EmbeddingMisconfigured) as caught:
        TeiModel("http://127.0.0.1:1", model="a", token=lambda: token)
    assert caught.value.reason == "CredentialsRejected"
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        ("Qwen/Qwen3-Embedding-0.6B", "qwen/qwen3-embedding-0.6b"),
        ("Qwen/Qwen3-Embedding-0.6B", "/data/Qwen3-Embedding-0.6B/"),
        ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
    ],
)
def test_names_of_one_model(wanted: str, served: str) -> None:
    assert is_named(wanted, [served, ""])
    assert not is_named(wanted, [served + "-large", ""])
    assert not is_named(wanted, ["", ""])


def answers_of_embed(*answers: bytes) -> Script:
    left = iter(answers)

    def script(path: str, body: bytes) -> Reply:
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
        with client(url, model=LOCAL_MODEL, token=lambda: "canary-55e1") as model:
            assert model.embed(["a"]).shape == (1, 384)
        with client(url, model=LOCAL_MODEL, token=lambda: "canary-wrong") as model:
            with pytest.raises(EmbeddingMisconfigured) as caught:
                model.info()
    assert caught.value.reason == "CredentialsRejected"
    assert "canary" not in str(caught.value)


def test_a_vector_of_zeros_is_rejected() -> None:
    def script(path: str, body: bytes) -> Reply:
        if path != "/embed":
            return sound(path, body)
        return ok([[0.0, 0.0 if text == "b" else 1.0] for text in json.loads(body)["inputs"]])

    with scripted(script) as url, client(url) as model:
        with pytest.raises(EmbeddingRejected, match="no direction") as caught:
            model.embed(["a", "b"])
    assert set(caught.value.refused) == {1}
