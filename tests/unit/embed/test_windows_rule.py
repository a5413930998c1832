"""The rule of windows, computed here once more from the tokenizer alone and compared."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from chroma_sync.pipeline.embed import (
    EmbeddingRejected,
    Info,
    InProcess,
    LocalMiniLM,
    Tokens,
    Vectors,
    embed_long,
)
from chroma_sync.pipeline.embed.errors import TextTooLong
from fakes.hash_model import HashModel

DIMENSION = 16
CAPACITY = 30


class WordPieces(InProcess):
    """The tokenizer of the CPU model with a smaller limit, vectors of zero cost, and a memory."""

    def __init__(self, model: LocalMiniLM) -> None:
        self._model = model
        self._hash = HashModel(DIMENSION)
        self.sent: list[str] = []

    def info(self) -> Info:
        return Info("pieces", CAPACITY + 2, 2, 32, 32)

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        return self._model.tokenize(texts)

    def embed(self, texts: list[str]) -> Vectors:
        for index, tokens in enumerate(self.tokenize(texts)):
            if len(tokens.offsets) > CAPACITY:
                raise TextTooLong("too long", index)
        self.sent += texts
        return self._hash.embed(texts)


@pytest.fixture(scope="module")
def local() -> LocalMiniLM:
    return LocalMiniLM(threads=1)


def starts(tokenizer: Any, text: str) -> list[int]:
    """Where each token begins, in characters."""
    return [start for start, _ in tokenizer.encode(text, add_special_tokens=False).offsets]


def windows_of(tokenizer: Any, text: str) -> Iterator[str]:
    """The windows of one text, computed in characters and by recursion."""
    places = starts(tokenizer, text)
    if len(text.encode()) <= CAPACITY or len(places) <= CAPACITY:
        yield text
        return
    edges = [0, *places[CAPACITY::CAPACITY], len(text)]
    for begin, end in pairwise(edges):
        yield from halves_of(tokenizer, text[begin:end])


def halves_of(tokenizer: Any, window: str) -> Iterator[str]:
    places = starts(tokenizer, window)
    if len(places) <= CAPACITY:
        yield window
        return
    middle = places[len(places) // 2]
    yield from halves_of(tokenizer, window[:middle])
    yield from halves_of(tokenizer, window[middle:])


TEXTS = [
    "short",
    "   \n\t ",
    "exactly thirty bytes of text !",
    "word " * CAPACITY,
    "word " * (CAPACITY + 1),
    "word " * 500,
    "def handleRequestWithBackoff(self, xmlHttpRequestTimeoutMilliseconds):\n" * 20,
    "unbelievablyuncharacteristicallyantidisestablishment " * 30,
    "日本語のテキストと漢字。" * 30,
    "naïve café – ünïcödé 🙂🙃 " * 30,
    "x" * 3000,
    "AbCdEf0123456789+/" * 5 + ". " + "qwzx" * 20 + " zzyzx" * 60,
    "a.b(c)[d]{e}" * 40,
]


def test_the_rule(local: LocalMiniLM) -> None:
    model = WordPieces(local)
    embedded = embed_long(model, TEXTS)
    expected = [list(windows_of(local.tokenizer, text)) for text in TEXTS]
    assert model.sent == [window for windows in expected for window in windows]
    assert embedded.windows == [len(windows) for windows in expected]
    assert embedded.texts_sent == sum(embedded.windows)
    hashed = HashModel(DIMENSION)
    for text, windows, vector in zip(TEXTS, expected, embedded.vectors, strict=True):
        assert "".join(windows) == text
        weights = [len(starts(local.tokenizer, window)) or 1 for window in windows]
        mean = np.average(hashed.embed(windows), axis=0, weights=weights)
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_some_windows_of_these_texts_had_to_be_halved(local: LocalMiniLM) -> None:
    """Without this the test above would not reach step 4."""
    halved = 0
    for text in TEXTS:
        count = len(starts(local.tokenizer, text))
        halved += len(list(windows_of(local.tokenizer, text))) > -(-count // CAPACITY)
    assert halved >= 1


class Wide(InProcess):
    """A model that finds a character to be three tokens, and says so only when it embeds."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def info(self) -> Info:
        return Info("wide", 12, 0, 4, 4)

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        return [Tokens([(i, i + 1) for i in range(len(t)) for _ in "123"], 0) for t in texts]

    def embed(self, texts: list[str]) -> Vectors:
        for index, text in enumerate(texts):
            if len(text) * 3 > 12:
                raise TextTooLong("too long", index)
        self.sent += texts
        return HashModel(DIMENSION).embed(texts)


def test_a_short_text_that_the_model_finds_too_long_is_halved() -> None:
    model = Wide()
    embedded = embed_long(model, ["ab", "abcdefgh", "c"])
    assert model.sent == ["ab", "abcd", "efgh", "c"]
    assert embedded.windows == [1, 2, 1]


def test_tokens_that_share_a_character_never_cut_it() -> None:
    class Bytes(Wide):
        def tokenize(self, texts: list[str]) -> list[Tokens]:
            return [Tokens([(i, i + 1) for i in range(len(t.encode()))], 0) for t in texts]

        def embed(self, texts: list[str]) -> Vectors:
            self.sent += texts
            return HashModel(DIMENSION).embed(texts)

    model = Bytes()
    embed_long(model, ["🙂🙃日本語é" * 3])
    assert "".join(model.sent) == "🙂🙃日本語é" * 3
    assert all(len(window.encode()) <= 14 for window in model.sent)


def test_what_can_not_be_cut_is_rejected() -> None:
    class OneToken(Wide):
        def tokenize(self, texts: list[str]) -> list[Tokens]:
            return [Tokens([(0, len(t))], 0) for t in texts]

    with pytest.raises(EmbeddingRejected, match="can't be cut") as caught:
        embed_long(OneToken(), ["ok", "x" * 40])
    assert set(caught.value.refused) == {1}
