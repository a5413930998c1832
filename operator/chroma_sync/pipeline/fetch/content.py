"""Which files are text that can be indexed."""

from __future__ import annotations

import codecs
from typing import Final

from chroma_sync.api.reasons import DocumentReason

# Part of every record's `document_config`: bump it when the same bytes come out as another text.
TEXT_RULE_VERSION: Final = "1"

_LFS_HEADER: Final = b"version https://git-lfs.github.com/spec/v1\n"
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_text(data: bytes) -> bytes | DocumentReason:
    """A file's bytes as a text in UTF-8 without a byte order mark, or why it is not indexed.

    UTF-16 is known by its mark only. UTF-32 is not read: what begins like it may be anything.
    """
    if not data:
        return DocumentReason.EMPTY
    if data.startswith(_LFS_HEADER):
        return DocumentReason.LFS_POINTER
    try:
        if data.startswith(_UTF16) and not data.startswith(_UTF32):
            text = data.decode("utf-16").encode("utf-8")
        else:
            text = data.removeprefix(codecs.BOM_UTF8)
            if b"\0" not in text:
                text.decode("utf-8")
    except UnicodeError:
        return DocumentReason.NOT_UTF8
    if b"\0" in text:
        return DocumentReason.BINARY
    return text or DocumentReason.EMPTY
