"""Records that must not be written yet, in a SQLite file on the scratch folder: memory does not
grow with the document that they belong to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from chroma_sync.pipeline.index.records import Record, record_id
from chroma_sync.pipeline.scratch import scratch_database

_SCHEMA: Final = """
CREATE TABLE held (
  document TEXT, n INTEGER, metadata TEXT, vector BLOB, in_place INTEGER,
  PRIMARY KEY (document, n)
) WITHOUT ROWID;
"""
_PAGE: Final = 300


class HeldRecords:
    """Records by the base of their document's ids and their number. Used by one thread."""

    def __init__(self, path: Path) -> None:
        self._db = scratch_database(path, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def hold(self, base: str, n: int, record: Record) -> None:
        """Keep a record, but for its text, which its document has."""
        vector = record.vector.astype(np.float32).tobytes()
        row = (base, n, json.dumps(dict(record.metadata)), vector, record.in_place)
        self._db.execute("INSERT INTO held VALUES (?, ?, ?, ?, ?)", row)

    def taken(self, base: str, text_of: Callable[[int], str]) -> Iterator[tuple[int, Record]]:
        """Give all records of a document back, the last one first. `text_of` gives the text of its
        chunk of a number."""
        while rows := self._db.execute(
            "SELECT n, metadata, vector, in_place FROM held WHERE document = ?"
            " ORDER BY n DESC LIMIT ?",
            (base, _PAGE),
        ).fetchall():
            for n, metadata, vector, in_place in rows:
                numbers = np.frombuffer(vector, np.float32)
                metadata = json.loads(metadata)
                yield (
                    n,
                    Record(record_id(base, n), text_of(n), metadata, numbers, bool(in_place)),
                )
            self._db.execute("DELETE FROM held WHERE document = ? AND n >= ?", (base, rows[-1][0]))
