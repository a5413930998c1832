"""The scratch folder: databases on it, what a full one looks like, and what to do about it."""

from __future__ import annotations

import errno
import re
import sqlite3
import tempfile
from pathlib import Path, PurePath
from typing import Final

from chroma_sync.api.contract import SCRATCH
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Temporary

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_LITTLE: Final = 65_536  # bytes
# git tells by words alone, those of strerror(3) and its own of a short write. What the host says
# begins with `remote:`.
_GIT_SAYS_FULL: Final = re.compile(
    r"^(?!remote:).*(No space left on device|Disk quota exceeded|Out of diskspace)", re.MULTILINE
)


def scratch_database(file: Path, schema: str) -> sqlite3.Connection:
    """A new SQLite database in a file that nobody else reads, now or later: nothing of it need be
    safe on the disk, so that all of it is one transaction without an end. Memory does not grow with
    it. The caller sees to it that one thread at a time writes. Raises `sqlite3.Error`."""
    file.unlink(missing_ok=True)
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(schema)
        database.execute("BEGIN")
    except BaseException:
        database.close()
        raise
    return database


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk has no room left."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


def git_found_it_full(said: str) -> bool:
    """Whether git, run in the C locale, says on stderr that a disk here has no room left."""
    return _GIT_SAYS_FULL.search(said) is not None


def has_no_room(folder: Path) -> bool:
    """Whether not even a little can be written into a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_LITTLE))
    except OSError as error:
        return is_full(error)
    return False


def scratch_full() -> Temporary:
    """The error of a step that has no room to work in. Another try may find more of it."""
    folder = PurePath(tempfile.gettempdir())
    advice = (
        "Raise spec.jobTemplate.scratchSize of the Source."
        if folder == SCRATCH
        else "Free some space there, or set TMPDIR to a folder on another disk."
    )
    return Temporary(Reason.SCRATCH_FULL, f"The disk of the folder {folder} is full. {advice}")
