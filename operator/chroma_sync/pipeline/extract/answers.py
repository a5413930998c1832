"""What an extractor's process answers: a text with its parts, or why there is none.

One byte, and then: of a text the length of the list of parts in four bytes, the list as JSON (each
part as its end, its language and its metadata) and the text; or else a sentence.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import NotExtracted
from chroma_sync.pipeline.extract.languages import languages
from chroma_sync.pipeline.text import PART_KEYS, PART_KEYS_MAX, Part, Text

_TEXT: Final = 0
_REASONS: Final = {1: DocumentReason.MALFORMED, 2: DocumentReason.EXTRACTED_TOO_LARGE}
_LENGTH: Final = struct.Struct("=BI")
_SENTENCE_MAX: Final = 200
_VALUE_MAX: Final = 1_000


def pack_text(text: Text) -> bytes:
    """The answer that is a text."""
    parts = json.dumps([(p.end, p.language, dict(p.metadata)) for p in text.parts]).encode()
    return _LENGTH.pack(_TEXT, len(parts)) + parts + text.data


def pack_reason(reason: DocumentReason, sentence: str) -> bytes:
    """The answer that there is no text."""
    (number,) = (number for number, known in _REASONS.items() if known is reason)
    return bytes([number]) + sentence.encode()


def unpack(answer: bytes) -> Text | NotExtracted:
    """What was answered. The process may have been taken over by what it read: nothing is believed.
    Raises `ValueError` when it is nonsense."""
    if answer[:1] != bytes([_TEXT]):
        reason = _REASONS.get(answer[0]) if answer else None
        if reason is None:
            raise ValueError("no answer")
        return NotExtracted(reason, answer[1:].decode()[:_SENTENCE_MAX], is_final=True)
    if len(answer) < _LENGTH.size:
        raise ValueError("no text")
    _, length = _LENGTH.unpack_from(answer)
    data = answer[_LENGTH.size + length :]
    try:
        listed = json.loads(answer[_LENGTH.size : _LENGTH.size + length])
    except RecursionError:
        raise ValueError("no parts") from None
    data.decode()
    if b"\0" in data or not isinstance(listed, list):
        raise ValueError("no text")
    return Text(data, tuple(_parts(listed, data)))


def _parts(listed: list[Any], data: bytes) -> list[Part]:
    known = languages()
    parts: list[Part] = []
    start = 0
    for one in listed:
        match one:
            case [int(end), str() | None as language, dict(metadata)] if (
                start < end <= len(data)
                and (language is None or language in known)
                and len(metadata) <= PART_KEYS_MAX
                and all(map(_is_fit, metadata, metadata.values()))
                and not (end < len(data) and data[end] & 0xC0 == 0x80)
            ):
                parts.append(Part(start, end, language, metadata))
                start = end
            case _:
                raise ValueError("no part")
    if start != len(data):
        raise ValueError("parts that do not cover the text")
    return parts


def _is_fit(key: str, value: object) -> bool:
    return key in PART_KEYS and (
        type(value) is int or (isinstance(value, str) and len(value) <= _VALUE_MAX)
    )
