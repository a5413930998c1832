"""The routes of TEI over the small CPU model. `Service.answer` is all that HTTP needs to know."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from chroma_sync.pipeline.embed.golden import GOLDEN_TEXTS
from chroma_sync.pipeline.embed.local import LOCAL_MODEL, LOCAL_MODEL_SHA, LocalMiniLM
from fakes.tei import requests
from fakes.tei.answers import (
    Answer,
    Refused,
    empty,
    error,
    no_input,
    ok,
    overloaded,
    text,
    too_long,
    too_many_inputs,
    too_many_tokens,
    validation,
)

BODY_MAX = 2_000_000
_TOKENS_MAX = 256
_CHARACTERS_MAX = 250 * _TOKENS_MAX
_POST_ROUTES = ("/embed", "/embed_sparse", "/tokenize", "/decode", "/v1/embeddings")


@dataclass(frozen=True)
class Options:
    """The flags of text-embeddings-router that matter here."""

    model_id: str = LOCAL_MODEL
    model_sha: str | None = LOCAL_MODEL_SHA
    max_concurrent_requests: int = 512
    max_client_batch_size: int = 32
    auto_truncate: bool = True
    api_key: str | None = None
    cache: str = ":memory:"


@dataclass
class Faults:
    """ServerFailure that a test has asked for, and what it may count."""

    status: int = 0
    until: float = 0.0
    delay: float = 0.0
    requests: int = 0
    texts: int = 0  # embedded, golden ones left out
    seen: set[bytes] = field(default_factory=set)


class Service:
    """Answers requests. Used by several threads."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._key = options.api_key
        self._model = LocalMiniLM()
        self._permits = options.max_concurrent_requests
        self._lock = threading.Lock()  # permits, faults and counts
        self._compute = threading.Lock()  # one batch at a time
        self._faults = Faults()
        self._cache = sqlite3.connect(options.cache, check_same_thread=False)
        self._cache.execute("CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, data BLOB)")
        # A killed process loses nothing by this, and vectors can be made again.
        self._cache.execute("PRAGMA synchronous = OFF")

    def close(self) -> None:
        """Close the cache of vectors."""
        self._cache.close()

    def answer(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> Answer:
        """The answer to one request. Header names are in lower case."""
        if path.startswith("/_test/"):
            return self._admin(path.removeprefix("/_test/"), raw)
        if path in ("/health", "/metrics"):
            return empty(200) if path == "/health" else text(200, "te_queue_size 0\n")
        if path != "/info" and path not in _POST_ROUTES:
            return empty(404)
        key = self._key
        if key is not None and headers.get("authorization") != f"Bearer {key}":
            return empty(401)
        if path == "/info":
            return ok(self._info()) if method == "GET" else empty(405)
        if method != "POST":
            return empty(405)
        try:
            return self._post(path, headers, raw)
        except Refused as refused:
            return refused.answer

    # routes

    def _post(self, path: str, headers: Mapping[str, str], raw: bytes) -> Answer:
        if headers.get("content-type", "").split(";")[0] != "application/json":
            return text(415, "Expected request with `Content-Type: application/json`")
        if len(raw) > BODY_MAX:
            return text(413, "Failed to buffer the request body: length limit exceeded")
        body = requests.parse(raw)
        if path == "/tokenize":
            return self._tokenize(body, raw)
        if path == "/decode":
            rows = requests.ids_of(body, raw)
            return ok([self._model.tokenizer.decode(ids) for ids in rows])
        if path == "/embed_sparse":
            message = "Backend error: Model is not an embedding model with SPLADE pooling"
            return error(424, "Backend", message)
        with self._faults_and_count():
            return self._openai(body, raw) if path == "/v1/embeddings" else self._embed(body, raw)

    def _embed(self, body: dict[str, Any], raw: bytes) -> Answer:
        items = requests.inputs_of(body, raw)
        normalize = requests.boolean(body, raw, "normalize", True)
        truncate = requests.optional_boolean(body, raw, "truncate")
        direction = requests.direction(body, raw)
        if (prompt := body.get("prompt_name")) is not None:
            raise validation(
                f"Input validation error: `default-prompt-name` is set to `{prompt}` but no "
                "prompts were found in the Sentence Transformers configuration"
            )
        pooled = self._pooled(items, truncate, direction, openai=False)
        if (dimensions := requests.dimensions(body, raw)) is not None:
            if dimensions <= 0:
                raise validation("Input validation error: `dimensions` should be positive")
            if dimensions > pooled.shape[1]:
                raise validation(
                    "Input validation error: `dimensions` should be smaller than the maximum "
                    "embedding dimension."
                )
            pooled = np.ascontiguousarray(pooled[:, :dimensions])
        return ok(_unit(pooled) if normalize else pooled)

    def _tokenize(self, body: dict[str, Any], raw: bytes) -> Answer:
        texts = requests.texts_of(body, raw)
        self._check_count(texts, openai=False)
        for text_ in texts:
            if len(text_) > _CHARACTERS_MAX:
                raise too_long(_CHARACTERS_MAX, len(text_))
        return ok([self._tokens(text_) for text_ in texts])

    def _openai(self, body: dict[str, Any], raw: bytes) -> Answer:
        items = requests.inputs_of(body, raw, "input")
        vectors = _unit(self._pooled(items, None, "right", openai=True))
        as_base64 = body.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "embedding": (
                    base64.b64encode(v.astype("<f4").tobytes()).decode() if as_base64 else v
                ),
                "index": index,
            }
            for index, v in enumerate(vectors)
        ]
        tokens = sum(min(_TOKENS_MAX, len(self._ids(item))) for item in items)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        model = self._options.model_id
        return ok({"object": "list", "data": data, "model": model, "usage": usage})

    def _info(self) -> dict[str, Any]:
        options = self._options
        return {
            "model_id": options.model_id,
            "model_sha": options.model_sha,
            "model_dtype": "float32",
            "served_model_name": options.model_id,
            "model_type": {"embedding": {"pooling": "mean"}},
            "max_concurrent_requests": options.max_concurrent_requests,
            "max_input_length": _TOKENS_MAX,
            "max_batch_tokens": 16384,
            "max_batch_requests": 4,
            "max_client_batch_size": options.max_client_batch_size,
            "auto_truncate": options.auto_truncate,
            "tokenization_workers": 1,
            "version": "1.9.3",
            "sha": None,
            "docker_label": None,
        }

    # the model

    def _pooled(
        self, items: list[Any], truncate: bool | None, direction: str, *, openai: bool
    ) -> Any:
        """Check some inputs against the limits and run them, (n, 384) float32."""
        self._check_count(items, openai=openai)
        with self._holding(len(items)):
            cut = self._options.auto_truncate if truncate is None else truncate
            rows = [self._checked(item, cut, direction, openai=openai) for item in items]
            with self._lock:
                self._faults.texts += sum(item not in GOLDEN_TEXTS for item in items)
            with self._compute:
                return np.stack(self._cached(rows))

    def _check_count(self, items: list[Any], *, openai: bool) -> None:
        if not items or any(len(item) == 0 for item in items):
            raise no_input(openai=openai)
        limit = self._options.max_client_batch_size
        if len(items) > limit:
            raise too_many_inputs(limit, len(items), openai=openai)

    def _checked(self, item: Any, cut: bool, direction: str, *, openai: bool) -> list[int]:
        if isinstance(item, str) and not cut and len(item) > _CHARACTERS_MAX:
            raise too_long(_CHARACTERS_MAX, len(item), openai=openai)
        ids = self._ids(item)
        if len(ids) <= _TOKENS_MAX:
            return ids
        if not cut:
            raise too_many_tokens(_TOKENS_MAX, len(ids), openai=openai)
        room = _TOKENS_MAX - 2
        inner = ids[1:-1]
        kept = inner[:room] if direction == "right" else inner[-room:]
        return [ids[0], *kept, ids[-1]]

    def _ids(self, item: Any) -> list[int]:
        # Token ids are taken as they are: nothing is added to them.
        return list(self._model.tokenizer.encode(item).ids if isinstance(item, str) else item)

    def _cached(self, rows: list[list[int]]) -> list[Any]:
        """The pooled vector of each row of tokens; computed once for each text."""
        keys = [hashlib.sha256(json.dumps(row).encode()).digest() for row in rows]
        self._faults.seen.update(keys)
        found: dict[bytes, Any] = {}
        missing: dict[bytes, list[int]] = {}
        for key, row in zip(keys, rows, strict=True):
            hit = self._cache.execute("SELECT data FROM vector WHERE key = ?", (key,)).fetchone()
            if hit is None:
                missing[key] = row
            else:
                found[key] = np.frombuffer(hit[0], np.float32)
        if missing:
            made = self._model.pool(list(missing.values()))
            found.update(zip(missing, made, strict=True))
            with self._cache:
                rows_made = [(key, found[key].tobytes()) for key in missing]
                self._cache.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows_made)
        return [found[key] for key in keys]

    def _tokens(self, source: str) -> list[dict[str, Any]]:
        encoding = self._model.tokenizer.encode(source)
        byte_at = list(accumulate((len(c.encode()) for c in source), initial=0))
        tokens = zip(
            encoding.ids,
            encoding.tokens,
            encoding.special_tokens_mask,
            encoding.offsets,
            strict=True,
        )
        return [
            {
                "id": id_,
                "text": name if special else source[start:stop],
                "special": bool(special),
                "start": None if special else byte_at[start],
                "stop": None if special else byte_at[stop],
            }
            for id_, name, special, (start, stop) in tokens
        ]

    # limits, faults and counts

    @contextmanager
    def _holding(self, permits: int) -> Iterator[None]:
        """Take a permit for each input, or refuse all of them at once."""
        with self._lock:
            if permits > self._permits:
                raise Refused(overloaded())
            self._permits -= permits
        try:
            time.sleep(self._faults.delay)
            yield
        finally:
            with self._lock:
                self._permits += permits

    @contextmanager
    def _faults_and_count(self) -> Iterator[None]:
        with self._lock:
            self._faults.requests += 1
            status = self._faults.status if time.monotonic() < self._faults.until else 0
        if status == 429:
            raise Refused(overloaded())
        if status == 503:
            raise Refused(error(503, "Unhealthy", "Service is not healthy"))
        if status == 424:
            raise Refused(error(424, "Backend", "Backend error: asked for by a test"))
        yield

    def _admin(self, action: str, raw: bytes) -> Answer:
        body = json.loads(raw or b"{}")
        with self._lock:
            faults = self._faults
            if action == "faults":
                faults.status = int(body["status"])
                faults.until = time.monotonic() + float(body["seconds"])
            elif action == "delay":
                faults.delay = float(body["seconds"])
            elif action == "key":
                self._key = str(body["key"])
            elif action == "reset":
                self._faults = faults = Faults()
            elif action != "counts":
                return empty(404)
            return ok(
                {
                    "requests": faults.requests,
                    "texts": faults.texts,
                    "distinct_texts": len(faults.seen),
                }
            )


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
