"""A document on its way through a run, and each of its chunks."""

from __future__ import annotations

from array import array
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from threading import Lock
from typing import Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.body import Body
from chroma_sync.pipeline.chunk import Chunk, Chunked
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.existing_vectors import Reusable
from chroma_sync.pipeline.index.records import Record, document_sha
from chroma_sync.pipeline.text import Text

_FAILING: Final = Lock()
_NO_TEXT: Final = Text(b"", ())
_NOT_CUT: Final = Chunked(_NO_TEXT, array("Q"), by_syntax=False, fallback=None)


@dataclass(eq=False, slots=True)
class Document:
    """One document, which each stage of the stream completes.

    `key_sha` is the hash of its key, in hexadecimal. `taken_by`: whose its ids are, when they are
    another document's. `state` decides "unchanged" (see `Ref.state`).
    Where the listing gives no version it is empty until the document is opened, or that of the
    `known` version, in which it stands in the target as it is to stand; it has what the listing
    says of the document, and not what opening adds. `is_whole`: it stands in `state`.
    """

    ref: Ref
    key_sha: str
    state: str
    known: str | None = None
    is_whole: bool = False
    taken_by: str = ""
    body: Body = b""  # once it is opened, until it is extracted
    text: Text = _NO_TEXT  # once it is extracted
    chunked: Chunked = _NOT_CUT  # once it is cut
    stood: bool = False  # chunk 0, before the run: written over only once all chunks are embedded
    failed: bool = False  # the model or Chroma has refused it, or its ids are another's
    # For the writer alone.
    outstanding: int = 0  # chunks other than 0 that are not acknowledged yet
    held: int = 0  # chunks that wait for the others
    first: Record | None = None  # chunk 0, held back

    @classmethod
    def of(cls, ref: Ref) -> Document:
        """A document that was just named."""
        # A name that is no text is only shown as one, which may be another document's.
        is_shown = ref.skip is DocumentReason.NAME_NOT_UTF8
        key_sha = document_sha(f"\0{ref.key}" if is_shown else ref.key)
        return cls(ref, key_sha, "" if ref.version is None else ref.state(ref.version))

    def fail(self) -> bool:
        """Take it out of the stream: nothing more of it is written. False when that was done
        already; whoever does it gives the verdict."""
        with _FAILING:
            before, self.failed = self.failed, True
        return not before

    @property
    def base(self) -> str:
        """What the ids of its records begin with."""
        return self.ref.own_id or self.key_sha

    @property
    def key(self) -> str:
        """What names it for people."""
        return self.ref.key

    @property
    def is_late(self) -> bool:
        """Whether only opening it tells its version."""
        return self.ref.version is None

    @property
    def version(self) -> str:
        """What changes exactly when its bytes do; empty until that is known."""
        return self.ref.version or ""

    @property
    def size(self) -> int:
        """Its bytes; 0 until they are known."""
        return self.ref.size or 0


@dataclass(frozen=True)
class Item:
    """One chunk of a document that was cut, and what stands of it already. `replaces`: a record
    stands under its id; `foreign_keys` are those of its metadata that are none of ours."""

    document: Document
    chunk: Chunk
    text_sha: str
    replaces: bool
    reusable: Reusable | None
    foreign_keys: AbstractSet[str] = frozenset()
