"""How the chunker asks its parser process: the head of a question is `HEAD` (the largest chunk's
size in bytes) and the language's name, the answer is the ends of the chunks, each a `CUT`."""

from __future__ import annotations

import struct
from array import array

HEAD = struct.Struct("=I")
CUT = "I"
CUT_BYTES = array(CUT).itemsize


def pack_head(language: str, max_size: int) -> bytes:
    return HEAD.pack(max_size) + language.encode("ascii")


def unpack_head(head: bytes) -> tuple[str, int]:
    (max_size,) = HEAD.unpack_from(head)
    return head[HEAD.size :].decode("ascii"), max_size


def pack_cuts(cuts: list[int]) -> bytes:
    return array(CUT, cuts).tobytes()


def unpack_cuts(answer: bytes) -> list[int]:
    """Raises `ValueError` when that is none."""
    cuts = array(CUT)
    cuts.frombytes(answer)
    return cuts.tolist()
