"""A document on its way through a run."""

from __future__ import annotations

from dataclasses import dataclass

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import document_sha
from chroma_sync.pipeline.text import Text


@dataclass(eq=False, slots=True)
class Document:
    """One document, which each stage of the stream completes.

    `key_sha` is the hash of its key, in hexadecimal. `state` decides "unchanged" (see `Ref.state`).
    Where the listing gives no version it is empty until the document is opened, or that of the
    `known` version, in which it stands in the target as it is to stand. `is_whole`: it stands in
    `state`.
    """

    ref: Ref
    key_sha: str
    state: str
    known: str | None = None
    is_whole: bool = False
    data: bytes = b""  # once it is opened, until it is extracted
    text: Text = Text(b"", ())  # noqa: RUF009 - nothing can change it

    @classmethod
    def of(cls, ref: Ref) -> Document:
        """A document that was just named."""
        # A name that is no text is only shown as one, which may be another document's.
        is_shown = ref.skip is DocumentReason.NAME_NOT_UTF8
        key_sha = document_sha(f"\0{ref.key}" if is_shown else ref.key)
        return cls(ref, key_sha, "" if ref.version is None else ref.state(ref.version))

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
