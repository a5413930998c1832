"""What was met before, of more things than fit the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chroma_sync.pipeline.scratch import scratch_database

_SCHEMA: Final = "CREATE TABLE hash (thing BLOB PRIMARY KEY) WITHOUT ROWID;"


class HashSet:
    """A set in a file on the scratch folder. `close` it at the end."""

    def __init__(self, path: Path) -> None:
        self._db = scratch_database(path, _SCHEMA)

    def is_new(self, thing: bytes) -> bool:
        """Whether a thing is met for the first time."""
        return self._db.execute("INSERT OR IGNORE INTO hash VALUES (?)", (thing,)).rowcount == 1

    def close(self) -> None:
        """Forget all."""
        self._db.close()
