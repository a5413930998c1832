"""The bytes of a document on their way from fetch to extract: in memory, or, where they are many,
in a file on the scratch folder that goes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

Body = bytes | Path

# A document of more bytes than this is better kept in a file.
MEMORY_MAX: Final = 1024 * 1024


def size_of(body: Body) -> int:
    """How many bytes it has."""
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def whole(body: Body) -> bytes:
    """All of them."""
    return body if isinstance(body, bytes) else body.read_bytes()


def discard(body: Body) -> None:
    """Nobody needs it any more."""
    if isinstance(body, Path):
        body.unlink(missing_ok=True)
