"""Small texts that stand for a file kept elsewhere: they hold nothing of it."""

from __future__ import annotations

import re
from typing import Final

from chroma_sync.api.reasons import DocumentReason

# git-lfs/git-lfs, docs/spec.md: under 1,024 bytes, the version first, then keys in their order. Its
# own parser (lfs/pointer.go) knows two older versions, and takes lines that end with CR LF.
_LFS_BELOW: Final = 1_024
_LFS: Final = re.compile(
    rb"version (?:https://(?:git-lfs|hawser)\.github\.com/spec/v1|http://git-media\.io/v/2)\r?\n"
    rb"(?:ext-[0-9]-[0-9A-Za-z_.-]{1,200} sha256:[0-9a-f]{64}\r?\n){0,10}"
    rb"oid sha256:[0-9a-f]{64}\r?\n"
    rb"size [0-9]{1,20}(?:\r?\n)?"
)
# git-annex, Annex/Link.hs and doc/internals/pointer_file.mdwn: under 32 KiB, a line with the key,
# and room for more lines that begin alike. A key is BACKEND-FIELDS--NAME.
_ANNEX_BELOW: Final = 32_768
_ANNEX: Final = re.compile(
    rb"/annex/objects/[A-Z][0-9A-Z_]{0,40}(?:-[A-Za-z][0-9]{1,20}){0,4}--[^\n/]{1,4000}"
    rb"(?:\n/annex/[^\n]*)*\n?"
)
# None is larger.
POINTER_BELOW: Final = max(_LFS_BELOW, _ANNEX_BELOW)


def pointer(data: bytes) -> DocumentReason | None:
    """Which kind of pointer a file's bytes are, all of them. A page about pointers is none."""
    if len(data) < _LFS_BELOW and _LFS.fullmatch(data):
        return DocumentReason.LFS_POINTER
    if len(data) < _ANNEX_BELOW and _ANNEX.fullmatch(data):
        return DocumentReason.ANNEX_POINTER
    return None
