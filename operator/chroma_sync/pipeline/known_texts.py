"""Each text is embedded once in a pass, however many documents have it.

What is embedded is kept on the scratch folder, up to a bound; a text that is on its way is waited
for. Beyond the bounds a text may be embedded again, which costs time and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar

import numpy as np

from chroma_sync.pipeline.embed import Vector
from chroma_sync.pipeline.scratch import scratch_database

Waiting = TypeVar("Waiting")

_SCHEMA: Final = "CREATE TABLE text (sha BLOB PRIMARY KEY, windows INTEGER, vector BLOB);"
_BYTES_MAX: Final = 256 * 1024 * 1024  # of vectors
_WAITING_MAX: Final = 256


@dataclass(frozen=True)
class Made:
    """What the model made of a text. `vector` is (dimension,) float32."""

    vector: Vector
    windows: int


class Turn(Enum):
    """What becomes of a chunk whose text has no vector yet."""

    MAKE = auto()  # it is to be embedded
    WAIT = auto()  # another one with its text is being embedded; it comes back with that one


class KnownTexts(Generic[Waiting]):
    """The texts of one pass, by their hashes in hexadecimal. Any number of threads.

    Whoever has the turn to make a text says what came of it, by `made`, `refused` or `passed_on`,
    and takes care of those that waited for it."""

    def __init__(self, path: Path) -> None:
        self._db = scratch_database(path, _SCHEMA)
        self._lock = Lock()
        self._left = _BYTES_MAX
        self._making: dict[str, list[Waiting]] = {}
        self._waiting = 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def turn(self, sha: str, one: Waiting) -> Made | Turn:
        """The vector of a text, or whose turn it is. `one` is what may have to wait."""
        with self._lock:
            if sha in self._making:
                if self._waiting == _WAITING_MAX:
                    return Turn.MAKE
                self._making[sha].append(one)
                self._waiting += 1
                return Turn.WAIT
            question = "SELECT vector, windows FROM text WHERE sha = ?"
            row = self._db.execute(question, (bytes.fromhex(sha),)).fetchone()
            if row is not None:
                return Made(np.frombuffer(row[0], np.float32), row[1])
            self._making[sha] = []
            return Turn.MAKE

    def made(self, sha: str, made: Made) -> list[Waiting]:
        """A text was embedded. Returns those that waited for it."""
        data = made.vector.astype(np.float32).tobytes()
        with self._lock:
            if self._left >= len(data):
                self._left -= len(data)
                row = (bytes.fromhex(sha), made.windows, data)
                self._db.execute("INSERT OR IGNORE INTO text VALUES (?, ?, ?)", row)
            return self._released(sha)

    def refused(self, sha: str) -> list[Waiting]:
        """The model does not take a text. Returns those that waited for it."""
        with self._lock:
            return self._released(sha)

    def passed_on(self, sha: str) -> Waiting | None:
        """A text is not embedded for the one whose turn it was. Returns the one that has the turn
        now; None when nobody waits."""
        with self._lock:
            waiting = self._making.get(sha, [])
            if not waiting:
                self._making.pop(sha, None)
                return None
            self._waiting -= 1
            return waiting.pop(0)

    def _released(self, sha: str) -> list[Waiting]:
        waiting = self._making.pop(sha, [])
        self._waiting -= len(waiting)
        return waiting
