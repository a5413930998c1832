"""Documents to texts."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.body import Body, size_of, whole
from chroma_sync.pipeline.children import BoundedFunction, Limits, OverLimit, What, controlled
from chroma_sync.pipeline.children.memory import memory_share
from chroma_sync.pipeline.closing import Closing
from chroma_sync.pipeline.extract import kinds
from chroma_sync.pipeline.extract.answers import unpack
from chroma_sync.pipeline.extract.errors import NoText, NotExtracted
from chroma_sync.pipeline.extract.plain import decoded_text
from chroma_sync.pipeline.text import Text

TEXT_MAX: Final = 100 * 1024 * 1024  # bytes of a plain text, which is read whole
ANSWER_MAX: Final = 64 * 1024 * 1024  # bytes of a text and its parts
_SHARE: Final = 0.25  # of the container's memory: the parser has half of it
_MIB: Final = 1024**2


@dataclass(frozen=True)
class Family:
    """Documents that one process reads: the function that it runs (see `BoundedFunction`), what one
    of them may take, and a question that is known to be good, as its head and its data."""

    name: str
    function: str
    limits: Limits
    known_good: tuple[bytes, bytes]


def question(suffix: str, **other: object) -> bytes:
    """The head of a question to the process that reads documents (see `documents.answer`)."""
    asked: dict[str, object] = {
        "suffix": suffix,
        "encoding": None,
        "languages": [],
        "by_type": None,
        "path": None,
    }
    return json.dumps(asked | other).encode()


NOTEBOOKS: Final = Family(
    "notebook",
    "chroma_sync.pipeline.extract.notebook:answer",
    Limits(memory_bytes=memory_share(_SHARE)),
    (b"", b'{"cells": []}'),
)
# Thousands of pages take their time; pictures are read by a program with a clock of its own.
DOCUMENTS: Final = Family(
    "document",
    "chroma_sync.pipeline.extract.documents:answer",
    Limits(300, 7200, memory_share(_SHARE), file_bytes=512 * _MIB, maps_files=True),
    (question(".html"), b"<p>good</p>"),
)
FAMILIES: Final = (NOTEBOOKS, DOCUMENTS)
_NOTEBOOK_SUFFIX: Final = ".ipynb"
_NOTEBOOK_TYPE: Final = "application/x-ipynb+json"
# Whether the same bytes come to this anywhere.
_OVER: Final = {
    What.TIME: (DocumentReason.EXTRACTION_TIMED_OUT, False),
    What.MEMORY: (DocumentReason.EXTRACTION_OUT_OF_MEMORY, False),
    What.OUTPUT: (DocumentReason.EXTRACTED_TOO_LARGE, True),
    What.CRASH: (DocumentReason.EXTRACTION_CRASHED, False),
}


class Extractor(Closing):
    """Makes texts of documents; a context manager, for one thread.

    A document that is no plain text is read in a process of its own; one that goes over the limits
    costs that process and not the run."""

    def __init__(
        self,
        limits: Limits | None = None,
        check: Callable[[], None] = lambda: None,
        *,
        documents: bool = True,
        ocr_languages: Sequence[str] = ("eng",),
    ) -> None:
        """`check` is called while a document is waited for; what it raises ends the wait.
        Without `documents` only texts and notebooks are read; `ocr_languages` are Tesseract's names
        of those that pictures are read in. `limits` are in the place of each family's own."""
        self._families = {f.name: f for f in FAMILIES if documents or f.name != DOCUMENTS.name}
        self._languages = list(ocr_languages)
        self._functions = {
            name: BoundedFunction(family.function, limits or family.limits, check)
            for name, family in self._families.items()
        }

    @property
    def documents(self) -> BoundedFunction:
        """What reads documents that are neither texts nor notebooks."""
        return self._functions[DOCUMENTS.name]

    def close(self) -> None:
        """Ends the processes."""
        for function in self._functions.values():
            function.close()

    def extract(
        self,
        key: str,
        body: Body,
        *,
        media_type: str | None = None,
        encoding: str | None = None,
    ) -> Text:
        """The text of a document, which may be empty. `key` is its path, `body` its bytes or a file
        of them; `media_type` and `encoding` are what its source says of them. Raises `NoText` and
        `NotExtracted`, and `NotRunning` when that tells nothing of the document."""
        family = self._families.get(family_of(key, media_type, _head_of(body)) or "")
        if family is None:
            if size_of(body) > TEXT_MAX:
                raise NoText(DocumentReason.TOO_LARGE)
            return decoded_text(key, whole(body), encoding)
        head = question(
            posixpath.splitext(key.lower())[1],
            encoding=encoding,
            languages=self._languages,
            by_type=kinds.MEDIA_TYPES.get(media_type or ""),
            path=str(body.absolute()) if isinstance(body, Path) else None,
        )
        data = b"" if isinstance(body, Path) else body
        if family.name == NOTEBOOKS.name:
            head, data = b"", whole(body)
        ask = partial(self._asked, family)
        try:
            with controlled(lambda: ask(*family.known_good), family.name):
                found = ask(head, data)
        except OverLimit as error:
            reason, is_final = _OVER[error.what]
            message = f"The {family.name} could not be read: {error.what}."
            raise NotExtracted(reason, message, is_final=is_final) from None
        if not isinstance(found, Text):
            raise found
        return found

    def _asked(self, family: Family, head: bytes, data: bytes) -> Text | NotExtracted | NoText:
        return self._functions[family.name](head, data, ANSWER_MAX, unpack)


def family_of(key: str, media_type: str | None, head: bytes) -> str | None:
    """The name of the family of a document; None for plain text. A media type, its first
    bytes or its suffix may tell."""
    suffix = posixpath.splitext(key.lower())[1]
    if media_type == _NOTEBOOK_TYPE or (
        suffix == _NOTEBOOK_SUFFIX and media_type not in kinds.MEDIA_TYPES
    ):
        return NOTEBOOKS.name
    is_document = (
        media_type in kinds.MEDIA_TYPES
        or kinds.family(head) is not None
        or suffix in kinds.SUFFIXES
    )
    return DOCUMENTS.name if is_document else None


def _head_of(body: Body) -> bytes:
    if isinstance(body, Path):
        with body.open("rb") as file:
            return file.read(kinds.HEAD_BYTES)
    return body[: kinds.HEAD_BYTES]
