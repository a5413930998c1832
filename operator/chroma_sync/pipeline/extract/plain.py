"""Texts stay as they are: one part, in the language that their name or first bytes tell."""

from __future__ import annotations

from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.encodings import decoded
from chroma_sync.pipeline.extract.errors import NoText
from chroma_sync.pipeline.extract.languages import language_of
from chroma_sync.pipeline.text import NOTHING, Part, Text

_HEAD_BYTES: Final = 4096


def as_text(key: str, data: bytes) -> Text:
    """The text of a file that is valid UTF-8. `key` is its path."""
    if not data:
        return Text(data, ())
    return Text(data, (Part(0, len(data), language_of(key, data[:_HEAD_BYTES]), NOTHING),))


def decoded_text(key: str, data: bytes, encoding: str | None) -> Text:
    """The text of a file in UTF-8 without a byte order mark; `encoding` is what its source says of
    it. Raises `NoText`."""
    try:
        text = decoded(data, encoding).encode("utf-8")
    except UnicodeError:
        raise NoText(DocumentReason.NOT_UTF8) from None
    if b"\0" in text:
        raise NoText(DocumentReason.BINARY)
    return as_text(key, text)
