"""Texts over the model's limit: cut at tokens, averaged by tokens, nothing lost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_sync.pipeline.embed import (
    EmbeddingRejected,
    Info,
    LocalMiniLM,
    Tokens,
    Vectors,
    embed_long,
)
from fakes.hash_model import HashModel

LIMIT = 10


class SmallModel(HashModel):
    """Takes 10 tokens, of which it adds two; a token is a byte. Remembers its texts."""

    def __init__(self) -> None:
        super().__init__(dimension=8)
        self.sent: list[str] = []
        self.tokenized = 0

    def info(self) -> Info:
        return Info("small", LIMIT, 2, 4, 16)

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        self.tokenized += len(texts)
        return [Tokens(t.offsets, special=2) for t in super().tokenize(texts)]

    def embed(self, texts: list[str]) -> Vectors:
        assert all(len(t.encode()) + 2 <= LIMIT for t in texts)
        self.sent += texts
        return super().embed(texts)


def test_a_short_text_is_not_tokenized() -> None:
    model = SmallModel()
    embedded = embed_long(model, ["12345678", "abc"])
    assert model.tokenized == 0
    assert embedded.windows == [1, 1]
    assert np.allclose(embedded.vectors, HashModel(dimension=8).embed(["12345678", "abc"]))


def test_a_long_text_is_the_mean_of_its_windows() -> None:
    model = SmallModel()
    embedded = embed_long(model, ["a", "0123456789abcdefXYZ", "b"])
    assert model.sent == ["a", "01234567", "89abcdef", "XYZ", "b"]
    assert embedded.windows == [1, 3, 1]
    assert embedded.texts_sent == 5
    parts = HashModel(dimension=8).embed(["01234567", "89abcdef", "XYZ"])
    mean = 8 * parts[0] + 8 * parts[1] + 3 * parts[2]
    assert np.allclose(embedded.vectors[1], mean / np.linalg.norm(mean), atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=6))
def test_windows_joined_are_the_text(texts: list[str]) -> None:
    texts = [t.encode("utf-8", "ignore").decode() or "x" for t in texts]
    model = SmallModel()
    embedded = embed_long(model, texts)
    assert embedded.vectors.shape == (len(texts), 8)
    assert np.allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)
    sent = iter(model.sent)
    for text, windows in zip(texts, embedded.windows, strict=True):
        assert "".join(next(sent) for _ in range(windows)) == text


def test_a_rejected_window_blames_its_text() -> None:
    class Picky(SmallModel):
        def embed(self, texts: list[str]) -> Vectors:
            for index, text in enumerate(texts):
                if "!" in text:
                    raise EmbeddingRejected({index: "no"})
            return super().embed(texts)

    with pytest.raises(EmbeddingRejected) as caught:
        embed_long(Picky(), ["a" * 30, "b" * 20 + "!", "c"])
    assert set(caught.value.refused) == {1}


def test_the_cpu_model_in_windows() -> None:
    model = LocalMiniLM()
    text = "The quick brown fox jumps over the lazy dog. " * 60
    embedded = embed_long(model, [text])
    (tokens,) = model.tokenize([text])
    starts = [start for start, _ in tokens.offsets]
    edges = [0, *starts[254::254], len(text)]
    parts = [text[a:b] for a, b in itertools.pairwise(edges)]
    weights = [len(t.offsets) for t in model.tokenize(parts)]
    mean = np.average(model.embed(parts), axis=0, weights=weights)
    assert embedded.windows == [len(parts)]
    assert float(embedded.vectors[0] @ (mean / np.linalg.norm(mean))) >= 0.9999
