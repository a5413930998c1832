"""Compound files of old Office: which streams they hold, as far as it tells what they are."""

from __future__ import annotations

import struct
from typing import Final

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENTRY: Final = 128  # bytes of an entry of the directory
_ENCRYPTED_WORD: Final = 0x0100  # a flag in the head of a Word document
_ENCRYPTED_SLIDES: Final = 0xF3D1C4DF  # what the stream of the current user begins with


def streams(data: bytes) -> dict[str, int]:
    """The names of the streams, each with where its first sector begins in the file."""
    if not data.startswith(MAGIC) or len(data) < 512:
        return {}
    shift = struct.unpack_from("<H", data, 30)[0]
    size = 1 << shift if shift in (9, 12) else 512
    found: dict[str, int] = {}
    for start in range(512, len(data) - _ENTRY + 1, _ENTRY):
        length = struct.unpack_from("<H", data, start + 64)[0]
        if 4 <= length <= 64 and length % 2 == 0 and data[start + 66] in (1, 2, 5):
            raw = data[start : start + length - 2]
            try:
                name = raw.decode("utf-16-le")
            except UnicodeError:
                continue
            if name.isprintable():
                sector = struct.unpack_from("<I", data, start + 116)[0]
                found.setdefault(name, (sector + 1) * size)
    return found


def is_encrypted(data: bytes, found: dict[str, int]) -> bool:
    """Whether a compound file of these streams opens with a password only."""
    if found.keys() & {"EncryptedPackage", "EncryptedSummary"}:
        return True
    word = found.get("WordDocument", len(data))
    if word + 12 <= len(data):
        return bool(struct.unpack_from("<H", data, word + 10)[0] & _ENCRYPTED_WORD)
    return "PowerPoint Document" in found and struct.pack("<I", _ENCRYPTED_SLIDES) in data
