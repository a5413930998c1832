"""Reads what `git ls-tree -r -l -z` lists, of trees that anyone may have written byte by byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Temporary

_SYMLINK: Final = "120000"
_SUBMODULE: Final = "160000"


def split_nul(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The records of a stream, each ended by NUL. Raises `Temporary` when the last one is not."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        raise Temporary(Reason.INTERNAL_ERROR, "git's listing broke off")


@dataclass(frozen=True, slots=True)
class Listed:
    """A record of the listing. `size` is in bytes, 0 for a submodule; `path` is for people."""

    mode: str
    blob: str
    size: int
    raw_path: bytes
    path: str

    @property
    def verdict(self) -> DocumentReason | None:
        """Why nothing can be read under this name; None for a file."""
        if self.path.encode() != self.raw_path:
            return DocumentReason.NAME_NOT_UTF8
        if self.mode == _SYMLINK:
            return DocumentReason.SYMLINK
        if self.mode == _SUBMODULE:
            return DocumentReason.SUBMODULE
        # Each would be another file's name for whoever puts it behind a folder.
        if any(part in ("", ".", "..") for part in self.path.split("/")):
            return DocumentReason.INVALID_NAME
        return None


def listed(record: bytes) -> Listed:
    """Read a record of the listing."""
    head, _, raw_path = record.partition(b"\t")
    mode, _, blob, size = head.decode("ascii").split()
    path = raw_path.decode("utf-8", "backslashreplace")
    return Listed(mode, blob, int(size) if size.isdecimal() else 0, raw_path, path)
