"""The TEI client within the limits of servers: batches, bodies and lengths of texts."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from chroma_sync.pipeline.embed import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    Info,
    LocalMiniLM,
    embed_long,
)
from chroma_sync.pipeline.embed.local import LOCAL_MODEL
from fakes.scripted_tei import Reply, ok, recorded, scripted, sound
from fakes.tei.server import serving
from fakes.tei.service import Options
from unit.embed.client import client, degrees, numbered


@pytest.mark.parametrize("refusal", ["embed_payload_too_large", "embed_33_inputs"])
def test_a_batch_that_is_too_large_is_halved(refusal: str) -> None:
    def script(path: str, body: bytes) -> Reply:
        if path == "/embed" and len(json.loads(body)["inputs"]) > 3:
            return recorded(refusal)
        return numbered(path, body)

    texts = [str(i) for i in range(32)]
    with scripted(script) as url, client(url) as model:
        assert degrees(model.embed(texts)) == list(range(32))


def test_bodies_stay_under_the_limit_and_answers_in_order() -> None:
    sizes: list[int] = []

    def script(path: str, body: bytes) -> Reply:
        sizes.append(len(body))
        return numbered(path, body)

    # Three bytes in UTF-8 each, and the last ones escaped in JSON.
    texts = ["日" * 60_000 + f" {i}" for i in range(20)] + [
        '"' * 90_000 + f" {i}" for i in (20, 21)
    ]
    with scripted(script) as url, client(url) as model:
        assert degrees(model.embed(texts)) == list(range(22))
        with pytest.raises(EmbeddingRejected, match="too large") as caught:
            model.embed(["a", "x" * 2_000_000])
    assert set(caught.value.refused) == {1}
    assert 1_500_000 < max(sizes) < 2_000_000


def test_batches_fit_the_server() -> None:
    options = Options(max_client_batch_size=4, max_concurrent_requests=4)
    texts = [f"text number {i}" for i in range(11)]
    with serving(options) as url, client(url, model=LOCAL_MODEL) as model:
        assert model.info().max_batch == 3  # one place is left for a known text
        got = model.embed(texts)
        counts = httpx.get(f"{url}/_test/counts", trust_env=False).json()
    assert counts["requests"] == 4
    cosines = (got * LocalMiniLM().embed(texts)).sum(axis=1)
    assert cosines.min() >= 0.9999


def test_a_request_asks_for_whole_texts_and_unit_vectors() -> None:
    bodies: list[Any] = []

    def script(path: str, body: bytes) -> Reply:
        if path == "/embed":
            bodies.append(json.loads(body))
        return sound(path, body)

    with scripted(script) as url, client(url) as model:
        model.embed(["a", "b"])
    assert bodies == [{"inputs": ["a", "b"], "truncate": False, "normalize": True}]


def test_limits_are_those_that_hold() -> None:
    """A batch over the permits is refused for ever, and a text over a whole batch is cut."""
    info = json.loads(recorded("info")[2])
    info |= {"max_concurrent_requests": 16, "max_input_length": 32_768}

    def script(path: str, body: bytes) -> Reply:
        return ok(info) if path == "/info" else sound(path, body)

    with scripted(script) as url, client(url) as model:
        assert model.info() == Info(
            model_id="all-MiniLM-L6-v2",
            max_input_tokens=16_384,
            special_tokens=2,
            max_batch=15,
            max_concurrent_inputs=16,
        )


@pytest.mark.parametrize("field", ["max_client_batch_size", "max_concurrent_requests"])
def test_a_server_of_one_text_a_request_is_refused(field: str) -> None:
    """Beside each text one of known vector must go."""
    info = {**json.loads(recorded("info")[2]), field: 1}

    def script(path: str, body: bytes) -> Reply:
        return ok(info) if path == "/info" else sound(path, body)

    with scripted(script) as url, client(url) as model:
        with pytest.raises(EmbeddingMisconfigured, match=f"--{field.replace('_', '-')}"):
            model.info()


def test_a_text_too_long_to_be_tokenized_is_rejected() -> None:
    with serving() as url, client(url, model=LOCAL_MODEL) as model:
        with pytest.raises(EmbeddingRejected, match="64000 characters") as caught:
            embed_long(model, ["a", "x" * 64_001])
    assert set(caught.value.refused) == {1}
