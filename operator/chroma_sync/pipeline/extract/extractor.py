"""Documents to texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.children import BoundedFunction, Limits, OverLimit, What, controlled
from chroma_sync.pipeline.children.memory import memory_share
from chroma_sync.pipeline.closing import Closing
from chroma_sync.pipeline.extract.answers import unpack
from chroma_sync.pipeline.extract.errors import NotExtracted
from chroma_sync.pipeline.extract.plain import decoded_text
from chroma_sync.pipeline.text import Text

ANSWER_MAX: Final = 64 * 1024 * 1024  # bytes of a text and its parts
_SHARE: Final = 0.25  # of the container's memory: the parser has half of it


@dataclass(frozen=True)
class Format:
    """A kind of document that is no plain text: what its keys end with, its media types, the
    function that extracts it (see `BoundedFunction`), and a document that is known to be good."""

    name: str
    suffixes: tuple[str, ...]
    media_types: frozenset[str]
    function: str
    known_good: bytes


FORMATS: Final = (
    Format(
        "notebook",
        (".ipynb",),
        frozenset({"application/x-ipynb+json"}),
        "chroma_sync.pipeline.extract.notebook:answer",
        b'{"cells": []}',
    ),
)
# Whether the same bytes come to this anywhere.
_OVER: Final = {
    What.TIME: (DocumentReason.EXTRACTION_TIMED_OUT, False),
    What.MEMORY: (DocumentReason.EXTRACTION_OUT_OF_MEMORY, False),
    What.OUTPUT: (DocumentReason.EXTRACTED_TOO_LARGE, True),
    What.CRASH: (DocumentReason.EXTRACTION_CRASHED, False),
}


def extraction_limits() -> Limits:
    """What the extraction of one document may take here."""
    return Limits(memory_bytes=memory_share(_SHARE))


class Extractor(Closing):
    """Makes texts of documents; a context manager, for one thread.

    A document that is no plain text is read in a process of its own; one that goes over the limits
    costs that process and not the run."""

    def __init__(
        self, limits: Limits | None = None, check: Callable[[], None] = lambda: None
    ) -> None:
        """`check` is called while a document is waited for; what it raises ends the wait."""
        limits = limits or extraction_limits()
        self._functions = {f: BoundedFunction(f.function, limits, check) for f in FORMATS}

    def close(self) -> None:
        """Ends the processes."""
        for function in self._functions.values():
            function.close()

    def extract(
        self,
        key: str,
        data: bytes,
        *,
        media_type: str | None = None,
        encoding: str | None = None,
    ) -> Text:
        """The text of a document, which may be empty. `key` is its path; `media_type` and
        `encoding` are what its source says of its bytes. Raises `NoText` and `NotExtracted`, and
        `NotRunning` when that tells nothing of the document."""
        format_ = format_of(key, media_type)
        if format_ is None:
            return decoded_text(key, data, encoding)
        try:
            with controlled(lambda: self._asked(format_, format_.known_good), format_.name):
                found = self._asked(format_, data)
        except OverLimit as error:
            reason, is_final = _OVER[error.what]
            message = f"The {format_.name} could not be read: {error.what}."
            raise NotExtracted(reason, message, is_final=is_final) from None
        if isinstance(found, NotExtracted):
            raise found
        return found

    def _asked(self, format_: Format, data: bytes) -> Text | NotExtracted:
        return self._functions[format_](b"", data, ANSWER_MAX, unpack)


def format_of(key: str, media_type: str | None) -> Format | None:
    """Which format a document has; None for plain text. A media type that is known decides."""
    by_type = (f for f in FORMATS if media_type in f.media_types)
    by_name = (f for f in FORMATS if key.lower().endswith(f.suffixes))
    return next(by_type, None) or next(by_name, None)
