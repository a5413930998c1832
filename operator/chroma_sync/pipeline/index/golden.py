"""The golden vectors that a collection keeps in its metadata: what its records can be compared with
(see `pipeline.embed.golden`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

import numpy as np

from chroma_sync.pipeline.index.records import Scalar, Vectors

_PREFIX: Final = "embedding_golden_"
_DIMENSION: Final = f"{_PREFIX}dimension"
_PART_CHARACTERS: Final = 8_000  # the hosted product takes 8,182 bytes a value
_STORED: Final = np.dtype("<f2")


def golden_metadata(vectors: Vectors) -> dict[str, Scalar]:
    """Vectors `(n, dimension)` as metadata of a collection: half-precision numbers in base64, in
    parts that the hosted product takes. Each comes back with a cosine of at least 1 - 1e-6."""
    text = base64.b64encode(vectors.astype(_STORED).tobytes()).decode()
    starts = range(0, len(text), _PART_CHARACTERS)
    parts: dict[str, Scalar] = {
        f"{_PREFIX}{n}": text[start : start + _PART_CHARACTERS] for n, start in enumerate(starts)
    }
    return {_DIMENSION: vectors.shape[1], **parts}


def kept_golden(metadata: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The part of a collection's metadata that holds its golden vectors; empty when it has none."""
    return {key: value for key, value in metadata.items() if key.startswith(_PREFIX)}


def golden_vectors(metadata: Mapping[str, Scalar]) -> Vectors | None:
    """The golden vectors `(n, dimension)`, float32, that a collection keeps. None when it keeps
    none, or none that can be read."""
    kept = kept_golden(metadata)
    dimension = kept.pop(_DIMENSION, 0)
    parts = [str(kept.get(f"{_PREFIX}{n}", "")) for n in range(len(kept))]
    try:
        numbers = np.frombuffer(base64.b64decode("".join(parts), validate=True), _STORED)
        vectors: Vectors = numbers.reshape(-1, int(dimension)).astype(np.float32)
    except ValueError:  # also what base64 raises
        return None
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors if len(vectors) and (np.isfinite(lengths) & (lengths > 0)).all() else None
