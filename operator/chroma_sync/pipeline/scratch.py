"""What a full scratch folder looks like, and what to do about it."""

from __future__ import annotations

import errno
import re
import sqlite3
import tempfile
from pathlib import PurePath
from typing import Final

from chroma_sync.api.contract import SCRATCH
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Temporary

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# git tells by words alone, those of strerror(3). What the host says begins with `remote:`.
_GIT_SAYS_FULL: Final = re.compile(
    r"^(?!remote:).*(No space left on device|Disk quota exceeded)", re.MULTILINE
)


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk has no room left."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


def git_found_it_full(said: str) -> bool:
    """Whether git, run in the C locale, says on stderr that a disk here has no room left."""
    return _GIT_SAYS_FULL.search(said) is not None


def scratch_full() -> Temporary:
    """The error of a step that has no room to work in. Another try may find more of it."""
    folder = PurePath(tempfile.gettempdir())
    advice = (
        "Raise spec.jobTemplate.scratchSize of the Source."
        if folder == SCRATCH
        else "Free some space there, or set TMPDIR to a folder on another disk."
    )
    return Temporary(Reason.SCRATCH_FULL, f"The disk of the folder {folder} is full. {advice}")
