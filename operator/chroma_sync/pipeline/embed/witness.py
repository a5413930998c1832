"""A text of known vector that goes with each request: it tells which model made the others.

A Service may hand each request to another server, and a rolling update breaks no connection. Only
what comes back in the same answer is of the same model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed.golden import agree
from chroma_sync.pipeline.embed.interface import Vector, Vectors
from chroma_sync.pipeline.embed.tei_answers import UnexpectedAnswer, parse_vectors
from chroma_sync.pipeline.embed.tei_http import embed_body


@dataclass(frozen=True)
class Witness:
    """A text, and the vector `(dimension,)` that the right model gives it."""

    text: str
    vector: Vector

    def body(self, texts: list[str]) -> bytes:
        """A request to embed this text and some others."""
        return embed_body([self.text, *texts])

    def parse(self, answer: bytes, count: int, where: str) -> Vectors:
        """The vectors of the `count` others, `(count, dimension)`. Raises `UnexpectedAnswer`,
        reason EmbeddingMismatch, when they are another model's, and what `parse_vectors` raises."""
        vectors = parse_vectors(answer, count + 1, where)
        if not agree(vectors[:1], self.vector[np.newaxis]):
            raise UnexpectedAnswer(
                f"{where} gave a known text another vector than before: a server with another "
                "model, pooling or prompt has answered",
                Reason.EMBEDDING_MISMATCH,
            )
        return vectors[1:]
