"""Which documents are worth indexing, as their bytes and their texts tell."""

from __future__ import annotations

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.body import Body, size_of, whole
from chroma_sync.pipeline.fetch.connector import Ref
from chroma_sync.pipeline.fetch.pointers import POINTER_BELOW, pointer
from chroma_sync.pipeline.fetch.worth import content_verdicts


def bytes_verdict(body: Body) -> DocumentReason | None:
    """Why a document of these bytes is skipped, whatever its text is."""
    size = size_of(body)
    if size == 0:
        return DocumentReason.EMPTY
    return pointer(whole(body)) if size < POINTER_BELOW else None


def text_verdict(ref: Ref, text: bytes) -> DocumentReason | None:
    """Why a document of this text is skipped."""
    if not text:
        return DocumentReason.EMPTY
    return next((v for v in content_verdicts(ref.key, text) if v not in ref.despite), None)
