"""Reads what `git ... -z` lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Temporary


def split_nul(stream: IO[bytes], block: int = 1 << 16) -> Iterator[bytes]:
    """The records of a stream, each ended by NUL. Raises `Temporary` when the last one is not."""
    rest = b""
    while data := stream.read(block):
        *whole, rest = (rest + data).split(b"\0")
        yield from whole
    if rest:
        raise Temporary(Reason.INTERNAL_ERROR, "git's listing broke off")
