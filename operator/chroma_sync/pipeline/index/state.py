"""What the source lists and what of it stands in the target, in a SQLite file on the scratch
folder.

It is filled before any document is looked at (see target.py); then every question about a document
is answered from here. The file grows with the source and the target, memory does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from chroma_sync.pipeline.index.records import document_sha, id_parts, is_first, record_id
from chroma_sync.pipeline.scratch import scratch_database

_SCHEMA = """
CREATE TABLE listed (
  document BLOB PRIMARY KEY, version TEXT NOT NULL,
  chunk_count INTEGER, -- of a document that stands whole in this version
  stands INTEGER NOT NULL DEFAULT 0, -- has its chunk 0, in whatever version
  kept INTEGER NOT NULL DEFAULT 0 -- what stands of it stays, in whatever version
) WITHOUT ROWID;
CREATE TABLE leftover (document BLOB, n INTEGER, PRIMARY KEY (document, n)) WITHOUT ROWID;
"""
_BATCH = 1_000


@dataclass(frozen=True)
class Leftover:
    """Some records of one document that must go. `is_gone`: the source lacks the document."""

    ids: list[str]
    is_gone: bool


class TargetState:
    """What stands in the target. Loaded by one thread; then several may ask and `keep`."""

    def __init__(self, path: Path) -> None:
        self._db = scratch_database(path, _SCHEMA)
        self._writing = Lock()
        self.knows_first = False

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def load_listing(self, documents: Iterable[tuple[str, str]]) -> None:
        """Take in the keys and versions that the source has."""
        rows = ((bytes.fromhex(document_sha(key)), version) for key, version in documents)
        self._do("INSERT OR REPLACE INTO listed (document, version) VALUES (?, ?)", rows)

    def drop_listed(self, key: str) -> None:
        """A document of the listing turns out to be none that is indexed."""
        self._do("DELETE FROM listed WHERE document = ?", [(bytes.fromhex(document_sha(key)),)])

    def listed(self, size: int) -> Iterator[dict[str, str]]:
        """The listed documents in batches: the version by the hash of the key."""
        last = b""
        while rows := self._db.execute(
            "SELECT document, version FROM listed WHERE document > ? ORDER BY document LIMIT ?",
            (last, size),
        ).fetchall():
            yield {document.hex(): version for document, version in rows}
            last = rows[-1][0]

    def load_chunk_counts(self, counts: Mapping[str, int | None]) -> None:
        """Take in of listed documents, by the hash of the key, how many chunks they have when they
        stand whole in the listed version, and None when they do not."""
        rows = ((count, bytes.fromhex(key_sha)) for key_sha, count in counts.items())
        self._do("UPDATE listed SET chunk_count = ? WHERE document = ?", rows)

    def is_whole(self, key: str) -> bool:
        """Whether a document stands whole in its listed version."""
        return self._of(key, "chunk_count") is not None

    def whole(self) -> int:
        """How many listed documents stand whole."""
        return self._number("SELECT COUNT(chunk_count) FROM listed")

    def size(self) -> int:
        """How many documents are listed."""
        return self._number("SELECT COUNT(*) FROM listed")

    def keep(self, key: str) -> None:
        """What stands of a listed document is no leftover, though it is not whole."""
        update = "UPDATE listed SET kept = 1 WHERE document = ?"
        self._do(update, [(bytes.fromhex(document_sha(key)),)])

    def load_first(self, ids: Iterable[Iterable[str]]) -> None:
        """Take in, of all ids of the target, which listed documents have their chunk 0 there."""
        update = "UPDATE listed SET stands = 1 WHERE document = ?"
        for page in ids:
            found = (id_parts(id_) for id_ in page if is_first(id_))
            self._do(update, ((bytes.fromhex(parts[0]),) for parts in found if parts is not None))
        self.knows_first = True

    def stands(self, key: str) -> bool:
        """Whether a listed document stands, in whatever version: it was whole once."""
        return self._of(key, "stands") == 1

    def standing(self) -> int:
        """How many records they have together."""
        return self._number("SELECT TOTAL(chunk_count) FROM listed")

    def load_ids(self, ids: Iterable[str]) -> None:
        """Take in ids of the target, once all chunk counts are known. An id that is not one of ours
        is left alone."""
        rows = (
            (bytes.fromhex(parts[0]), parts[1])
            for id_ in ids
            if (parts := id_parts(id_)) is not None
        )
        self._do(
            "INSERT OR IGNORE INTO leftover SELECT ?1, ?2 WHERE NOT EXISTS"
            " (SELECT 1 FROM listed WHERE document = ?1 AND (chunk_count > ?2 OR kept))",
            rows,
        )

    def leftovers(self) -> Iterator[Leftover]:
        """What a run from nothing would not have: documents that are gone, documents that are not
        whole in their listed version, and old tails."""
        rows = self._db.execute(
            "SELECT leftover.document, n, listed.document IS NULL FROM leftover"
            " LEFT JOIN listed USING (document) ORDER BY leftover.document, n"
        )
        current: tuple[bytes, bool] | None = None
        ids: list[str] = []
        for document, n, is_gone in rows:
            if current is not None and (current[0] != document or len(ids) == _BATCH):
                yield Leftover(ids, current[1])
                ids = []
            current = (document, bool(is_gone))
            ids.append(record_id(document.hex(), n))
        if current is not None:
            yield Leftover(ids, current[1])

    def gone(self) -> int:
        """How many documents of the target the listing lacks, by their chunk 0."""
        return self._number(
            "SELECT COUNT(*) FROM leftover LEFT JOIN listed USING (document)"
            " WHERE n = 0 AND listed.document IS NULL"
        )

    def _number(self, question: str) -> int:
        return int(self._db.execute(question).fetchone()[0])

    def _of(self, key: str, column: str) -> object:
        """What is known of a document; None when it is not listed."""
        question = f"SELECT {column} FROM listed WHERE document = ?"  # noqa: S608 - a name of ours
        row = self._db.execute(question, (bytes.fromhex(document_sha(key)),)).fetchone()
        return None if row is None else row[0]

    def _do(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._writing:
            self._db.executemany(statement, rows)
