"""Embedding by a server that speaks the protocol of Text Embeddings Inference (TEI), 1.9 or newer.

Who is to blame: a text is rejected only when it is refused alone, refused again, and a known-good
text passes by the same route right beside it, in a request of the same size. Where that one is
refused too, or the answer is none of TEI's, the server or something in front of it is in failure.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Generic, NoReturn, TypeVar

import numpy as np
import orjson

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed.errors import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
    TextTooLong,
)
from chroma_sync.pipeline.embed.interface import Info, Tokens, Vector, Vectors
from chroma_sync.pipeline.embed.tei_answers import (
    InputsRefused,
    Rejection,
    ServerFailure,
    UnexpectedAnswer,
    is_named,
    parse_info,
    parse_tokens,
    parse_vectors,
)
from chroma_sync.pipeline.embed.tei_http import TeiHttp, Token, embed_body
from chroma_sync.pipeline.embed.witness import Witness

T = TypeVar("T")

_MAX_BATCH: Final = 32  # more gains nothing: a server makes its own batches of what waits
_MAX_BODY: Final = 1_990_000  # bytes; TEI takes 2,000,000
_FIRST_PAUSE: Final = 0.05  # seconds
_LAST_PAUSE: Final = 5.0
_PROBE: Final = "probe"  # a text that each model can embed
_KNOWN_GOOD: Final = "a few plain words "  # and this one, so often that it is as long as wanted


@dataclass(frozen=True)
class _Route(Generic[T]):
    """A question about texts: its path, its body, and what an answer to so many texts holds."""

    path: str
    body: Callable[[list[str]], bytes]
    parse: Callable[[bytes, int, str], T]


class TeiModel:
    """The model that a TEI server at `url` serves, which must be `model`. Any number of threads.

    `timeout` (seconds) bounds each wait for the server, and one answer as a whole. Overload (429),
    5xx and broken connections are waited out with backoff, and once the server has answered well,
    so is any answer that is none of TEI's, such as the 404 page of a proxy. When nothing has
    succeeded for `retry_budget_seconds`, a call raises `EmbeddingUnavailable`. `token` is read at
    each request. `on_wait` is told the trouble of a server that is waited for, then an empty text
    when it is back; overload is no failure.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        token: Token = lambda: None,
        timeout: float = 120.0,
        retry_budget_seconds: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        # A server that hangs must not outlast the budget by much.
        timeout = min(timeout, max(1.0, retry_budget_seconds))
        self._http = TeiHttp(url, token, timeout, clock)
        self._model = model
        self._budget = retry_budget_seconds
        self._sleep, self._clock, self._on_wait = sleep, clock, on_wait
        self._lock, self._counting = Lock(), Lock()
        self._info: Info | None = None
        self._dimension: int | None = None
        self._embedding = _EMBED
        self._interruptions = 0
        self._was_well = False
        self._last_success = clock()

    def info(self) -> Info:
        """The server's limits, asked once. Raises `EmbeddingMisconfigured`, reason ModelNotServed,
        when it serves another model."""
        with self._lock:
            if self._info is None:
                info = self._until_answered(self._ask_info)
                special = self._until_answered(self._ask_special_tokens)
                self._info = replace(info, special_tokens=special)
            return self._info

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """The tokens of each text. Raises `EmbeddingRejected` for texts that are refused, also as
        too long even to be tokenized (TEI's limit: 250 characters for each token that the model
        takes)."""
        try:
            return [tokens for part in self._asked(_TOKENIZE, texts) for tokens in part]
        except TextTooLong as error:
            raise EmbeddingRejected({error.index: str(error)}) from None

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of length 1, shape `(n, dimension)`."""
        parts = self._asked(self._embedding, texts)
        for part in parts:
            self._check_dimension(part.shape[1])
        if not parts:
            return np.empty((0, self._dimension or 0), np.float32)
        return np.concatenate(parts)

    def expect(self, text: str, vector: Vector) -> None:
        """From here on let a text of known vector go with each request. An answer that gives it
        another vector is failure: it is not used, and waited out as an outage would be."""
        witness = Witness(text, vector)
        self._embedding = _Route("/embed", witness.body, witness.parse)

    def interruptions(self) -> int:
        """How often the server was in trouble and came back."""
        return self._interruptions

    def close(self) -> None:
        """Close the connections. Calls under way fail."""
        self._http.close()

    # What the server is

    def _ask_info(self) -> Info:
        try:
            answer = self._http.send("GET", "/info", None)
        except InputsRefused as refused:
            raise ServerFailure(str(refused)) from None
        info, names = parse_info(answer, self._http.where("/info"), _MAX_BATCH)
        if not is_named(self._model, names):
            raise EmbeddingMisconfigured(
                f"{self._http.address} serves {info.model_id!r}, not {self._model!r}. Name the "
                "server that serves it, or change the model.",
                Reason.MODEL_NOT_SERVED,
            )
        return info

    def _ask_special_tokens(self) -> int:
        try:
            (probe,) = self._send(_TOKENIZE, [_PROBE])
        except InputsRefused as refused:
            raise ServerFailure(str(refused)) from None
        return probe.special

    def _check_dimension(self, dimension: int) -> None:
        with self._lock:
            known = self._dimension = self._dimension or dimension
        if dimension != known:
            self._was_changed(f"gave vectors of {dimension} dimensions after some of {known}")

    def _check_same_limits(self, now: Info) -> None:
        """Who answers after an interruption may be another server, which cuts texts differently."""
        known = self._info
        if known is not None and now.max_input_tokens != known.max_input_tokens:
            limits = f"{now.max_input_tokens} tokens a text after {known.max_input_tokens}"
            self._was_changed(f"takes {limits}")

    def _was_changed(self, how: str) -> NoReturn:
        raise EmbeddingMisconfigured(
            f"{self._http.address} {how}: its model was changed. Start the run again.",
            Reason.MODEL_NOT_SERVED,
        )

    # Batches, and who in a batch is to blame

    def _asked(self, route: _Route[T], texts: list[str]) -> list[T]:
        """Ask about all texts, in order, in requests that the server can accept. A failure of the
        server that shows in a refusal of a known-good text is waited out too, for as long as the
        budget says: that other texts pass meanwhile does not matter to this one."""
        waiting = _Waiting(self._on_wait)
        began: float | None = None
        while True:
            try:
                result = self._judged(route, texts)
            except ServerFailure as failure:
                began = self._clock() if began is None else began
                waiting.tell(failure)
                self._pause(waiting, began, failure)
            except (EmbeddingRejected, TextTooLong):
                waiting.over()
                raise
            else:
                self._interrupted(waiting)
                waiting.over()
                return result

    def _judged(self, route: _Route[T], texts: list[str]) -> list[T]:
        """Raises `EmbeddingRejected` or `TextTooLong` for the texts that are to blame, and
        `ServerFailure` when it is the server that refuses."""
        parts: list[T] = []
        refused: dict[int, InputsRefused] = {}
        for first, batch in self._batches(texts):
            parts += self._halving(route, batch, first, refused)
        if not refused:
            return parts
        if len(refused) > 1:
            # The first one has its proof. One more covers all that were refused since.
            self._control(route, texts[max(refused)], refused[max(refused)])
        verdicts = {i: str(r) for i, r in refused.items() if r.rejection is not Rejection.TOO_LONG}
        if verdicts:
            raise EmbeddingRejected(verdicts)
        index, error = next(iter(refused.items()))
        raise TextTooLong(str(error), index)

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        """The place of the first text of each batch, and the batch. Raises `EmbeddingRejected` for
        texts that no server could accept."""
        sizes = [len(orjson.dumps(text)) + 1 for text in texts]
        bad = {
            index: f"the text {'is too large for one request' if text else 'is empty'}"
            for index, text in enumerate(texts)
            if not text or sizes[index] > _MAX_BODY
        }
        if bad:
            raise EmbeddingRejected(bad)
        limit = self.info().max_batch
        first = size = 0
        for index in range(len(texts)):
            if index - first == limit or size + sizes[index] > _MAX_BODY:
                yield first, texts[first:index]
                first, size = index, 0
            size += sizes[index]
        if texts:
            yield first, texts[first:]

    def _halving(
        self, route: _Route[T], texts: list[str], first: int, refused: dict[int, InputsRefused]
    ) -> Iterator[T]:
        """Send texts; where they are refused, halve them until those to blame stand alone. These
        are noted in `refused`, by their places in the caller's list, where `first` is that of the
        first text."""
        try:
            yield self._twice(route, texts)
            return
        except InputsRefused as error:
            refusal = error
        if len(texts) > 1:
            middle = len(texts) // 2
            yield from self._halving(route, texts[:middle], first, refused)
            yield from self._halving(route, texts[middle:], first + middle, refused)
            return
        if not refused:
            self._control(route, texts[0], refusal)
        try:
            yield self._send_until_answered(route, texts)
        except InputsRefused as again:
            refused[first] = again

    def _twice(self, route: _Route[T], texts: list[str]) -> T:
        """A failed computation is tried once more: another client's text may have caused it."""
        try:
            return self._send_until_answered(route, texts)
        except InputsRefused as error:
            if error.rejection is not Rejection.BACKEND_FAILED:
                raise
        return self._send_until_answered(route, texts)

    def _control(self, route: _Route[T], text: str, refused: InputsRefused) -> None:
        """Send a known-good text in a request of the size that one with `text` has. Raises
        `ServerFailure` when that is refused too."""
        info = self.info()
        # A token covers at least a byte: so many bytes are never over the model's limit.
        length = min(len(text.encode()), max(1, info.max_input_tokens - info.special_tokens))
        known_good = (_KNOWN_GOOD * (length // len(_KNOWN_GOOD) + 1))[:length]
        size = len(route.body([text]))
        try:
            self._send_until_answered(route, [known_good], size)
        except InputsRefused:
            raise ServerFailure(
                f"{refused}. It refuses a text that is known to be good, too."
            ) from None

    # One request, until it is answered

    def _send(self, route: _Route[T], texts: list[str], size: int = 0) -> T:
        """One request about some texts, of at least `size` bytes: JSON may end in blanks."""
        answer = self._http.send("POST", route.path, route.body(texts).ljust(size))
        return route.parse(answer, len(texts), self._http.where(route.path))

    def _send_until_answered(self, route: _Route[T], texts: list[str], size: int = 0) -> T:
        return self._until_answered(lambda: self._send(route, texts, size))

    def _until_answered(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer that can be used, within the retry budget."""
        began = self._clock()
        waiting = _Waiting(self._on_wait)
        while True:
            try:
                if waiting.is_reported:
                    self._check_same_limits(self._ask_info())
                result = ask()
            except (ServerFailure, UnexpectedAnswer) as error:
                failure = self._as_failure(error)
                if not failure.overloaded:
                    waiting.tell(failure)
                self._pause(waiting, max(began, self._last_success), failure)
            except InputsRefused:
                waiting.over()
                raise
            else:
                self._last_success, self._was_well = self._clock(), True
                self._interrupted(waiting)
                waiting.over()
                return result

    def _interrupted(self, waiting: _Waiting) -> None:
        """Count a wait that is over, if there was trouble in it."""
        with self._counting:
            self._interruptions += waiting.is_reported

    def _as_failure(self, error: ServerFailure | UnexpectedAnswer) -> ServerFailure:
        """Raises `EmbeddingMisconfigured` for an odd answer of a server that never was well."""
        if isinstance(error, ServerFailure):
            return error
        if not self._was_well:
            raise EmbeddingMisconfigured(str(error), error.reason) from None
        return ServerFailure(str(error))

    def _pause(self, waiting: _Waiting, since: float, failure: ServerFailure) -> None:
        """Wait before the next attempt. Raises `EmbeddingUnavailable` when the budget is spent."""
        now, give_up_at = self._clock(), since + self._budget
        if now >= give_up_at:
            spent = now - since
            raise EmbeddingUnavailable(f"{failure}. That did not change for {spent:.0f} s.")
        pause = min(_FIRST_PAUSE * 2.0 ** min(waiting.attempts, 16), _LAST_PAUSE)
        waiting.attempts += 1
        # Jitter keeps the workers of one run from coming back all at once.
        self._sleep(min(give_up_at - now, pause * random.uniform(0.5, 1.0)))  # noqa: S311


class _Waiting:
    """One wait for a server: how often it was asked, and whether people were told of it."""

    def __init__(self, on_wait: Callable[[str], None]) -> None:
        self.attempts = 0
        self.is_reported = False
        self._on_wait = on_wait

    def tell(self, failure: ServerFailure) -> None:
        """Tell people of the failure."""
        self.is_reported = True
        self._on_wait(str(failure))

    def over(self) -> None:
        """Tell people that it is over, if they were told of it."""
        if self.is_reported:
            self._on_wait("")


def _tokenize_body(texts: list[str]) -> bytes:
    return orjson.dumps({"inputs": texts})


_EMBED: Final = _Route("/embed", embed_body, parse_vectors)
_TOKENIZE: Final = _Route("/tokenize", _tokenize_body, parse_tokens)
