"""A model whose vectors are made of its words' vectors, so that it can pool them in another way."""

from __future__ import annotations

from typing import Literal

import numpy as np

from chroma_sync.pipeline.embed import Vectors
from fakes.hash_model import HashModel

Pooling = Literal["mean", "first", "last"]


class TokenModel(HashModel):
    """`pooling`: the mean of all words, or the first or last one alone. `prompt` goes before each
    text, as a server may have it set up. `dtype`: what it computes with. `weights`: another model
    of the same dimension has others."""

    def __init__(
        self,
        dimension: int = 16,
        *,
        pooling: Pooling = "mean",
        prompt: str = "",
        dtype: type[np.floating] = np.float32,
        weights: str = "",
    ) -> None:
        super().__init__(dimension)
        self._pooling, self._prompt = pooling, prompt
        self._dtype, self._weights = dtype, weights

    def _vector(self, text: str) -> Vectors:
        words = (self._prompt + text).split() or [text]
        chosen = {"mean": words, "first": words[:1], "last": words[-1:]}[self._pooling]
        rows = np.stack([super(TokenModel, self)._vector(self._weights + w) for w in chosen])
        # Half-precision weights and sums, as a GPU has them.
        pooled = rows.astype(self._dtype).mean(axis=0, dtype=self._dtype).astype(np.float32)
        unit: Vectors = pooled / np.linalg.norm(pooled)
        return unit
