"""A model of zero cost: the vector of a text is made from the text's hash."""

from __future__ import annotations

import hashlib
from threading import Lock

import numpy as np

from chroma_sync.pipeline.embed import (
    GOLDEN_TEXTS,
    EmbeddingRejected,
    EmbeddingUnavailable,
    Info,
    InProcess,
    Tokens,
    Vectors,
)


class HashModel(InProcess):
    """Implements `Model`. Each byte is a token; no special tokens.

    A text with `refuses` in it is rejected; after `breaks_after` texts the server is gone.
    """

    def __init__(
        self, dimension: int, *, refuses: str = "", breaks_after: int | None = None
    ) -> None:
        self.texts = 0  # embedded so far, golden ones left out
        self._dimension = dimension
        self._refuses = refuses
        self._breaks_after = breaks_after
        self._lock = Lock()

    def info(self) -> Info:
        return Info(
            model_id="hash",
            max_input_tokens=8192,
            special_tokens=0,
            max_batch=32,
            max_concurrent_inputs=512,
        )

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        lengths = [len(text.encode()) for text in texts]
        return [Tokens([(i, i + 1) for i in range(length)], special=0) for length in lengths]

    def embed(self, texts: list[str]) -> Vectors:
        for index, text in enumerate(texts):
            if self._refuses and self._refuses in text:
                raise EmbeddingRejected({index: "refused by the test"})
        with self._lock:
            self.texts += sum(text not in GOLDEN_TEXTS for text in texts)
            if self._breaks_after is not None and self.texts > self._breaks_after:
                raise EmbeddingUnavailable("gone by the test")
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        vector = np.random.default_rng(seed).standard_normal(self._dimension, dtype=np.float32)
        return vector / np.linalg.norm(vector)
