"""Which files are text that is worth indexing."""

from __future__ import annotations

import re
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.encodings import decoded
from chroma_sync.pipeline.fetch.model import Entry
from chroma_sync.pipeline.fetch.pointers import pointer
from chroma_sync.pipeline.fetch.worth import content_verdicts

# Part of every record's `document_state`: bump it when the same bytes come out as another text, or
# have another verdict. Documents that stand are then read again, and go if they are skipped now.
TEXT_RULE_VERSION: Final = "2"

# A string of base64 in the JSON of a notebook: a picture among its outputs, or one in its text.
_PICTURE: Final = re.compile(rb'"(?:[A-Za-z0-9+/=]|\\n){72,}+"')


def as_text(entry: Entry, data: bytes) -> bytes | DocumentReason:
    """A file's bytes as a text in UTF-8 without a byte order mark, or why it is not indexed.

    Pictures in notebooks are left out, as they would be most of the text. Lines stay as they are.
    """
    if not data:
        return DocumentReason.EMPTY
    pointed = pointer(data)
    if pointed is not None:
        return pointed
    try:
        text = decoded(data, entry.encoding).encode("utf-8")
    except UnicodeError:
        return DocumentReason.NOT_UTF8
    if b"\0" in text:
        return DocumentReason.BINARY
    if entry.key.endswith(".ipynb"):
        text = _PICTURE.sub(b'""', text)
    verdicts = content_verdicts(entry.key, text)
    return next((v for v in verdicts if v not in entry.despite), text or DocumentReason.EMPTY)
