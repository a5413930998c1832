"""What an extractor's process answers: a text with its parts, or why there is none.

One byte, and then: of a text the length of a JSON object in four bytes, that object (`parts`: each
as its end, its language and its metadata; `sections`: each as its start and its path) and the text;
or else the reason and a sentence, as a list in JSON.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.errors import NoText, NotExtracted, Refused
from chroma_sync.pipeline.extract.languages import languages
from chroma_sync.pipeline.text import PART_KEYS, PART_KEYS_MAX, Part, Section, Text

_TEXT: Final = 0
_REFUSED: Final = 1
_SKIPPED: Final = frozenset({DocumentReason.BINARY, DocumentReason.NOT_UTF8})
# Whether the same bytes come to this anywhere.
_FAILED: Final = {
    DocumentReason.MALFORMED: True,
    DocumentReason.EXTRACTED_TOO_LARGE: True,
    DocumentReason.ENCRYPTED: True,
    DocumentReason.DRM_PROTECTED: True,
    DocumentReason.TOO_MANY_PAGES: True,
    DocumentReason.NOT_INSTALLED: False,
    DocumentReason.EXTRACTION_TIMED_OUT: False,
    DocumentReason.EXTRACTION_OUT_OF_MEMORY: False,
    DocumentReason.EXTRACTION_CRASHED: False,
}
_LENGTH: Final = struct.Struct("=BI")
_SENTENCE_MAX: Final = 200
_VALUE_MAX: Final = 1_000


def pack_text(text: Text) -> bytes:
    """The answer that is a text."""
    parts = [(p.end, p.language, dict(p.metadata)) for p in text.parts]
    about = json.dumps({"parts": parts, "sections": text.sections}).encode()
    return _LENGTH.pack(_TEXT, len(about)) + about + text.data


def pack_refused(error: Refused) -> bytes:
    """The answer that there is no text."""
    return bytes([_REFUSED]) + json.dumps([error.reason.value, str(error)]).encode()


def unpack(answer: bytes) -> Text | NotExtracted | NoText:
    """What was answered. The process may have been taken over by what it read: nothing is believed.
    Raises `ValueError` when it is nonsense."""
    try:
        if answer[:1] == bytes([_TEXT]):
            return _text(answer)
        if answer[:1] == bytes([_REFUSED]):
            return _refused(json.loads(answer[1:]))
    except RecursionError:
        pass
    raise ValueError("no answer")


def _refused(said: object) -> NotExtracted | NoText:
    match said:
        case [str(value), str(sentence)]:
            reason = DocumentReason(value)
            if reason in _SKIPPED:
                return NoText(reason)
            if reason in _FAILED:
                return NotExtracted(reason, sentence[:_SENTENCE_MAX], is_final=_FAILED[reason])
    raise ValueError("no reason")


def _text(answer: bytes) -> Text:
    if len(answer) < _LENGTH.size:
        raise ValueError("no text")
    _, length = _LENGTH.unpack_from(answer)
    data = answer[_LENGTH.size + length :]
    data.decode()
    match json.loads(answer[_LENGTH.size : _LENGTH.size + length]):
        case {"parts": list(parts), "sections": list(sections)} if b"\0" not in data:
            keys_max = PART_KEYS_MAX - bool(sections)
            return Text(data, tuple(_parts(parts, data, keys_max)), tuple(_sections(sections)))
    raise ValueError("no text")


def _sections(listed: list[Any]) -> list[Section]:
    sections: list[Section] = []
    for one in listed:
        match one:
            case [int(start), str(path)] if (
                start >= (sections[-1].start if sections else 0) and len(path) <= _VALUE_MAX
            ):
                sections.append(Section(start, path))
            case _:
                raise ValueError("no section")
    return sections


def _parts(listed: list[Any], data: bytes, keys_max: int) -> list[Part]:
    known = languages()
    parts: list[Part] = []
    start = 0
    for one in listed:
        match one:
            case [int(end), str() | None as language, dict(metadata)] if (
                start < end <= len(data)
                and (language is None or language in known)
                and len(metadata) <= keys_max
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
