"""Why a document has no text."""

from __future__ import annotations

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.errors import DocumentError


class NoText(DocumentError):
    """The document is none that has a text: it is skipped."""

    def __init__(self, reason: DocumentReason) -> None:
        super().__init__(reason, reason.value)


class NotExtracted(DocumentError):
    """The document has a text, which can't be had. `str(error)` says why. One that `is_final` comes
    of the bytes alone; another may come of a time or memory that elsewhere suffice."""

    def __init__(self, reason: DocumentReason, message: str, *, is_final: bool) -> None:
        super().__init__(reason, message)
        self.is_final = is_final


class Refused(Exception):
    """What an extractor raises in its own process when it can't make a text of a document. The
    message is a sentence for a person."""

    def __init__(self, reason: DocumentReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
