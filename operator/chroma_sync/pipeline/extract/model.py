"""Why a document has no text."""

from __future__ import annotations

from chroma_sync.api.reasons import DocumentReason


class NoText(Exception):
    """The document is none that has a text: it is skipped."""

    def __init__(self, reason: DocumentReason) -> None:
        super().__init__(reason.value)
        self.reason = reason
