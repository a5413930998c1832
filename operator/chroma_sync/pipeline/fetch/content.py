"""Which files are text that can be indexed."""

from __future__ import annotations

from chroma_sync.api.reasons import DocumentReason

_LFS_HEADER = b"version https://git-lfs.github.com/spec/v1\n"


def content_verdict(data: bytes) -> DocumentReason | None:
    """Why a file's bytes are not indexed as text, or None when they are."""
    if not data:
        return DocumentReason.EMPTY
    if data.startswith(_LFS_HEADER):
        return DocumentReason.LFS_POINTER
    if b"\0" in data:
        return DocumentReason.BINARY
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return DocumentReason.NOT_UTF8
    return None
