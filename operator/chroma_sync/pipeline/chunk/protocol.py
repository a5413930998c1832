"""How the chunker asks its parser process: the head of a question is `HEAD` (the largest chunk's
size in bytes) and the language's name, the answer is the cuts, each a `CUT`."""

from __future__ import annotations

import struct
from array import array

from chroma_sync.pipeline.chunk.cuts import CUT, Cuts

HEAD = struct.Struct("=I")
CUT_BYTES = array(CUT).itemsize


def pack_head(language: str, max_size: int) -> bytes:
    return HEAD.pack(max_size) + language.encode("ascii")


def unpack_head(head: bytes) -> tuple[str, int]:
    (max_size,) = HEAD.unpack_from(head)
    return head[HEAD.size :].decode("ascii"), max_size


def unpack_cuts(answer: bytes) -> Cuts:
    """Raises `ValueError` when that is none."""
    cuts = array(CUT)
    cuts.frombytes(answer)
    return cuts
