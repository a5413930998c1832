"""Embedding by a server that speaks the protocol of Text Embeddings Inference (TEI), 1.9 or newer.

Connections, authentication and the model of a request are those of
text_embeddings_inference_client. Its functions are not used, only its public httpx client, for they
know neither `normalize` nor `/tokenize`, return None or an error object where there is trouble,
fail on the plain text of a 413, and read numbers at less than half the speed of orjson.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

import numpy as np
import orjson

from chroma_sync.pipeline.embed.errors import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
    TextTooLong,
)
from chroma_sync.pipeline.embed.model import Info, Tokens, Vectors
from chroma_sync.pipeline.embed.tei_answers import (
    InputsRefused,
    Refusal,
    Trouble,
    check_status,
    is_named,
    parse_info,
    parse_tokens,
    parse_vectors,
)

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_MAX_BATCH: Final = 32  # more gains nothing: a server makes its own batches of what waits
_MAX_BODY: Final = 1_990_000  # bytes; TEI takes 2,000,000
_MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes
_FIRST_PAUSE: Final = 0.05  # seconds
_LAST_PAUSE: Final = 5.0
_CONNECT_SECONDS: Final = 10.0
_PROBE: Final = "probe"  # a text that each model can embed


class TeiModel:
    """The model that a TEI server at `url` serves, which must be `model`. Any number of threads.

    `timeout` (seconds) bounds each wait for the server, and one answer as a whole. Overload (429),
    5xx and broken connections are waited out with backoff, until nothing has succeeded for
    `retry_budget_seconds`: then a call raises `EmbeddingUnavailable`. `on_wait` is told the trouble
    of a server that is waited for, then an empty text when it is back; overload is no trouble.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        token: str | None = None,
        timeout: float = 120.0,
        retry_budget_seconds: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = "the embedding server's address must be http://HOST[:PORT] or https://HOST"
            raise EmbeddingMisconfigured(message, "ModelNotServed")
        self._server = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._model = model
        self._budget = retry_budget_seconds
        self._sleep, self._clock, self._on_wait = sleep, clock, on_wait
        # A server that hangs must not outlast the budget by much.
        self._timeout = min(timeout, max(1.0, retry_budget_seconds))
        self._http = _http_client(url, token, self._timeout)
        self._lock = Lock()
        self._info: Info | None = None
        self._dimension: int | None = None
        self._last_success = clock()

    def info(self) -> Info:
        """The server's limits, asked once. Raises `EmbeddingMisconfigured`, reason ModelNotServed,
        when it serves another model."""
        with self._lock:
            if self._info is None:
                info = self._until_answered(self._ask_info)
                self._info = replace(info, special_tokens=self._ask_special_tokens())
            return self._info

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """The tokens of each text. Raises `EmbeddingRejected` for a text that is too long even to
        be tokenized (TEI's limit: 250 characters for each token that the model takes)."""
        try:
            return list(chain.from_iterable(self._in_batches(self._post_tokenize, texts)))
        except TextTooLong as error:
            raise EmbeddingRejected(str(error), error.index) from None

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of length 1, shape `(n, dimension)`."""
        parts = list(self._in_batches(self._post_embed, texts))
        if not parts:
            return np.empty((0, self._dimension or 0), np.float32)
        return np.concatenate(parts)

    def close(self) -> None:
        """Close the connections. Calls under way fail."""
        self._http.close()

    # What is asked

    def _post_embed(self, texts: list[str]) -> Vectors:
        from text_embeddings_inference_client.models import EmbedRequest

        # Never let the server cut a text in silence, which is its default.
        request = EmbedRequest(inputs=texts, truncate=False)
        request["normalize"] = True
        body = orjson.dumps(request.to_dict())

        def ask() -> Vectors:
            answer = self._once("POST", "/embed", body)
            return parse_vectors(answer, len(texts), self._where("/embed"))

        vectors = self._until_answered(ask)
        self._check_dimension(vectors.shape[1])
        return vectors

    def _post_tokenize(self, texts: list[str]) -> list[Tokens]:
        body = orjson.dumps({"inputs": texts})

        def ask() -> list[Tokens]:
            answer = self._once("POST", "/tokenize", body)
            return parse_tokens(answer, len(texts), self._where("/tokenize"))

        return self._until_answered(ask)

    def _ask_info(self) -> Info:
        where = self._where("/info")
        try:
            answer = self._once("GET", "/info", None)
        except InputsRefused as refused:
            raise Trouble(str(refused)) from None
        info, names = parse_info(answer, where, _MAX_BATCH)
        if not is_named(self._model, names):
            raise EmbeddingMisconfigured(
                f"{self._server} serves {info.model_id!r}, not {self._model!r}. Name the server "
                "that serves it, or change the model.",
                "ModelNotServed",
            )
        return info

    def _ask_special_tokens(self) -> int:
        try:
            (probe,) = self._post_tokenize([_PROBE])
        except InputsRefused as refused:
            raise EmbeddingUnavailable(str(refused)) from None
        return probe.special

    def _check_dimension(self, dimension: int) -> None:
        with self._lock:
            known = self._dimension = self._dimension or dimension
        if dimension != known:
            self._was_changed(f"gave vectors of {dimension} dimensions after some of {known}")

    def _check_same_model(self, now: Info) -> None:
        """Who answers after an interruption may be another server, with another model."""
        known = self._info
        if known is None:
            return
        if (now.model_id, now.model_sha) != (known.model_id, known.model_sha):
            self._was_changed(f"serves {_shown(now)} after {_shown(known)}")
        if now.max_input_tokens != known.max_input_tokens:
            limits = f"{now.max_input_tokens} tokens a text after {known.max_input_tokens}"
            self._was_changed(f"takes {limits}")

    def _was_changed(self, how: str) -> NoReturn:
        raise EmbeddingMisconfigured(
            f"{self._server} {how}: its model was changed. Start the run again.", "ModelNotServed"
        )

    # Batches, and who in a batch is to blame

    def _in_batches(self, send: Callable[[list[str]], T], texts: list[str]) -> Iterator[T]:
        """Send all texts, in order, in requests that the server can accept."""
        limit = self.info().max_batch
        batch: list[str] = []
        size = first = 0
        for index, text in enumerate(texts):
            bytes_ = len(orjson.dumps(text)) + 1
            if not text or bytes_ > _MAX_BODY:
                what = "is too large for one request" if text else "is empty"
                raise EmbeddingRejected(f"the text {what}", index)
            if len(batch) == limit or size + bytes_ > _MAX_BODY:
                yield from self._isolating(send, batch, first)
                batch, size, first = [], 0, index
            batch.append(text)
            size += bytes_
        if batch:
            yield from self._isolating(send, batch, first)

    def _isolating(
        self, send: Callable[[list[str]], T], texts: list[str], first: int
    ) -> Iterator[T]:
        """Send texts; where they are refused, halve them until the one to blame stands alone.

        A failed computation is tried once more first: another client's text may have caused it.
        `first` is the place of the first text in the caller's list."""
        began = self._clock()
        attempt = 0
        while True:
            try:
                yield self._twice(send, texts)
                return
            except InputsRefused as error:
                refused = error
            if len(texts) > 1:
                middle = len(texts) // 2
                yield from self._isolating(send, texts[:middle], first)
                yield from self._isolating(send, texts[middle:], first + middle)
                return
            if refused.refusal is not Refusal.BACKEND_FAILED or self._is_sound():
                _reject(refused, first)
            # The backend fails with any text: that is no verdict on this one.
            self._pause(attempt, began, str(refused))
            attempt += 1

    def _twice(self, send: Callable[[list[str]], T], texts: list[str]) -> T:
        try:
            return send(texts)
        except InputsRefused as refused:
            if refused.refusal is not Refusal.BACKEND_FAILED:
                raise
        return send(texts)

    def _is_sound(self) -> bool:
        try:
            self._post_embed([_PROBE])
        except InputsRefused:
            return False
        return True

    # One request, until it is answered

    def _until_answered(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer that can be used, within the retry budget."""
        began = self._clock()
        attempt = 0
        interrupted = False
        while True:
            try:
                if interrupted:
                    self._check_same_model(self._ask_info())
                result = ask()
            except Trouble as trouble:
                if not trouble.overloaded:
                    interrupted = True
                    self._on_wait(str(trouble))
                self._pause(attempt, began, str(trouble))
                attempt += 1
            else:
                self._last_success = self._clock()
                if interrupted:
                    self._on_wait("")
                return result

    def _pause(self, attempt: int, began: float, trouble: str) -> None:
        """Wait before the next attempt. Raises `EmbeddingUnavailable` when the budget is spent."""
        spent = self._clock() - max(began, self._last_success)
        left = self._budget - spent
        if left <= 0:
            raise EmbeddingUnavailable(f"{trouble}. Nothing succeeded for {spent:.0f} s.")
        pause = min(_FIRST_PAUSE * 2.0 ** min(attempt, 16), _LAST_PAUSE)
        # Jitter keeps the workers of one run from coming back all at once.
        pause = min(left, pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._sleep(pause)

    def _once(self, method: str, path: str, body: bytes | None) -> bytes:
        import httpx

        where = self._where(path)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        content = bytearray()
        began = self._clock()
        try:
            with self._http.stream(method, path, content=body, headers=headers) as response:
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MAX_ANSWER:
                        raise Trouble(f"{where} gave an answer of more than {_MAX_ANSWER} bytes")
                    # httpx bounds each read only, and a server may drip for ever.
                    if self._clock() - began > self._timeout:
                        raise Trouble(f"{where} took over {self._timeout:g} s to answer")
        except httpx.RequestError as error:
            kind = type(error).__name__
            raise Trouble(f"{where} can't be reached ({kind}: {error})") from None
        content_type = response.headers.get("content-type", "")
        check_status(response.status_code, content_type, bytes(content), where)
        return bytes(content)

    def _where(self, path: str) -> str:
        return f"{self._server}{path}"


def _http_client(url: str, token: str | None, timeout: float) -> httpx.Client:
    import httpx
    from text_embeddings_inference_client import AuthenticatedClient, Client

    limits = httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
    base_url = url.rstrip("/")
    if token is None:
        return Client(base_url=base_url, timeout=limits, verify_ssl=_tls()).get_httpx_client()
    if not token.isascii() or not token.isprintable():
        # Said here, for httpx would quote it.
        message = "the embedding server's token holds characters that no HTTP header may hold"
        raise EmbeddingMisconfigured(message, "CredentialsRejected")
    client = AuthenticatedClient(base_url=base_url, token=token, timeout=limits, verify_ssl=_tls())
    return client.get_httpx_client()


@cache
def _tls() -> ssl.SSLContext:
    """httpx's default, which takes 50 ms to make, made once."""
    import httpx

    return httpx.create_ssl_context()


def _shown(info: Info) -> str:
    return f"{info.model_id!r} ({info.model_sha or 'no commit'})"


def _reject(refused: InputsRefused, index: int) -> NoReturn:
    if refused.refusal is Refusal.TOO_LONG:
        raise TextTooLong(str(refused), index) from None
    raise EmbeddingRejected(str(refused), index) from None
