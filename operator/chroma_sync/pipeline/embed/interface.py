"""The narrow interface that each embedding engine implements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""Embeddings, one a row: shape `(n, dimension)`, float32, each of length 1."""

Vector = npt.NDArray[np.float32]
"""One embedding: shape `(dimension,)`, float32."""


@dataclass(frozen=True)
class Info:
    """What a model is and how much it takes at once."""

    model_id: str
    max_input_tokens: int  # of one text, special tokens included
    special_tokens: int  # how many the model adds to a text
    max_batch: int  # texts in one request that the server can ever accept
    max_concurrent_inputs: int  # texts in flight, all requests of all clients together


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text. `offsets` holds `(start, stop)` of each in UTF-8 bytes; the tokens
    that the model adds by itself stand in no text: they are only counted, in `special`."""

    offsets: list[tuple[int, int]]
    special: int


class Model(Protocol):
    """One embedding model. Several threads may call it at once.

    Every method may raise `EmbeddingUnavailable` and `EmbeddingMisconfigured`.
    """

    def info(self) -> Info:
        """What the model is. Asked once and remembered."""
        ...

    def tokenize(self, texts: list[str]) -> list[Tokens]:
        """The tokens of each text, in order; nothing is truncated.

        Raises `EmbeddingRejected` for a text that can't be tokenized."""
        ...

    def embed(self, texts: list[str]) -> Vectors:
        """The vector of each text, in order, shape `(n, dimension)`. Any number of texts.

        Raises `EmbeddingRejected` for a text that the model can't embed and `TextTooLong` for one
        of more than `max_input_tokens` tokens; nothing is truncated.
        """
        ...

    def expect(self, text: str, vector: Vector) -> None:
        """From here on let `text` go with each request, and use no answer that gives it a vector
        `(dimension,)` of less than `AGREE_MIN` to this one: another server may answer, with
        another model, and no connection breaks."""
        ...

    def interruptions(self) -> int:
        """How often so far the server was away, or in trouble: who answers since may be another."""
        ...

    def close(self) -> None:
        """Give up connections and memory."""
        ...


class InProcess:
    """What a model of this process has in common with all others: it is never away, and nobody
    takes its place."""

    def expect(self, text: str, vector: Vector) -> None:
        """Nothing to do."""

    def interruptions(self) -> int:
        """None."""
        return 0

    def close(self) -> None:
        """Nothing to give up: the memory goes with the object."""
