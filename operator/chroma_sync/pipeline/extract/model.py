"""Why a document has no text."""

from __future__ import annotations

from chroma_sync.api.reasons import DocumentReason


class NoText(Exception):
    """The document is none that has a text: it is skipped."""

    def __init__(self, reason: DocumentReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class NotExtracted(Exception):
    """The document has a text, which can't be had. `str(error)` says why. One that `is_final` comes
    of the bytes alone; another may come of a time or memory that elsewhere suffice."""

    def __init__(self, reason: DocumentReason, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final
