"""A document that was cut, while its chunks are on their way, and each of these."""

from __future__ import annotations

from dataclasses import dataclass

from chroma_sync.pipeline.chunk import Chunk, Chunked
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.index.records import Record
from chroma_sync.pipeline.index.standing import Reusable


@dataclass(eq=False)
class Pending:
    """A document on its way. `outstanding`, `first` and `held` belong to the writer alone."""

    document: Document
    chunked: Chunked
    outstanding: int  # chunks other than 0 that are not acknowledged yet
    stood: bool = False  # chunk 0, before the run: written over only once all chunks are embedded
    first: Record | None = None  # chunk 0, held back
    held: int = 0  # chunks that wait for the others
    failed: bool = False


@dataclass(frozen=True)
class Item:
    """One chunk of a pending document, and what stands of it already. `replaces`: a record stands
    under its id."""

    pending: Pending
    chunk: Chunk
    text_sha: str
    replaces: bool
    reusable: Reusable | None
