"""What the target holds, in a SQLite file on the scratch folder.

It is read from Chroma once (see target.py), before any document is looked at; then every question
about a document is answered from here. The file grows with the target, memory does not.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chroma_sync.pipeline.index.chroma import Stored
from chroma_sync.pipeline.index.records import Configs, document_sha

_SCHEMA = """
CREATE TABLE record (
  document BLOB NOT NULL, n INTEGER NOT NULL, version TEXT, config TEXT,
  content TEXT, embedding TEXT, chunk_count INTEGER,
  PRIMARY KEY (document, n)
) WITHOUT ROWID;
CREATE TABLE listed (document BLOB PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;
"""
_BATCH = 1_000
_ID = re.compile(r"([0-9a-f]{64})-(0|[1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class Known:
    """One record of the target: which chunk of its document, and what its vector was made from."""

    n: int
    version: str | None
    config: str | None
    content: str | None
    embedding: str | None
    chunk_count: int | None


@dataclass(frozen=True)
class Leftover:
    """Some records of one document that must go; of the whole document when it is gone."""

    ids: list[str]
    is_gone: bool


class TargetState:
    """What stands in the target. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def load(self, records: Iterable[Stored]) -> None:
        """Take in the records of the target. A record whose id is not one of ours is left alone."""
        rows = (row for record in records if (row := _row(record)) is not None)
        self._insert("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def load_ids(self, ids: Iterable[str]) -> None:
        """Take in records of which nothing but their ids is known."""
        self.load(Stored(id_, {}) for id_ in ids)

    def load_listing(self, documents: Iterable[tuple[str, str]]) -> None:
        """Take in the keys and versions that the source has."""
        rows = ((bytes.fromhex(document_sha(key)), version) for key, version in documents)
        self._insert("INSERT OR REPLACE INTO listed VALUES (?, ?)", rows)

    def known(self, key: str) -> list[Known]:
        """The records of one document, by n."""
        return self.known_of(document_sha(key))

    def known_of(self, key_sha: str) -> list[Known]:
        """The same, by the hash of the document's key."""
        rows = self._db.execute(
            "SELECT n, version, config, content, embedding, chunk_count FROM record"
            " WHERE document = ? ORDER BY n",
            (bytes.fromhex(key_sha),),
        )
        return [Known(*row) for row in rows]

    def listed_standing(self, size: int) -> Iterator[dict[str, str]]:
        """The listed documents of which any record stands, in batches: the version by the hash of
        the key. Records may be taken in between two batches."""
        last = b""
        while rows := self._db.execute(
            "SELECT document, version FROM listed WHERE document > ? AND EXISTS"
            " (SELECT 1 FROM record WHERE record.document = listed.document)"
            " ORDER BY document LIMIT ?",
            (last, size),
        ).fetchall():
            yield {document.hex(): version for document, version in rows}
            last = rows[-1][0]

    def gone(self) -> int:
        """How many documents of the target the listing lacks."""
        count: int = self._db.execute(
            "SELECT COUNT(DISTINCT document) FROM record LEFT JOIN listed USING (document)"
            " WHERE listed.version IS NULL"
        ).fetchone()[0]
        return count

    def leftovers(self, configs: Configs) -> Iterator[Leftover]:
        """What a run from nothing would not have: documents that are gone, documents that are not
        whole in their listed version, and old tails."""
        for document, version, records in self._documents():
            whole = version is not None and is_unchanged(records, version, configs.document)
            keep = records[0].chunk_count or 0 if whole else 0
            ids = [f"{document.hex()}-{r.n}" for r in records if r.n >= keep]
            for start in range(0, len(ids), _BATCH):
                yield Leftover(ids[start : start + _BATCH], is_gone=version is None)

    def _documents(self) -> Iterator[tuple[bytes, str | None, list[Known]]]:
        """Each document of the target with its listed version (None: the source lacks it)."""
        rows = self._db.execute(
            "SELECT record.document, listed.version, n, record.version, config, content,"
            " embedding, chunk_count FROM record LEFT JOIN listed USING (document)"
            " ORDER BY record.document, n"
        )
        current: tuple[bytes, str | None] | None = None
        records: list[Known] = []
        for document, listed, *fields in rows:
            if current is not None and current[0] != document:
                yield *current, records
                records = []
            current = (document, listed)
            records.append(Known(*fields))
        if current is not None:
            yield *current, records

    def _insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._db:
            self._db.executemany(statement, rows)


def is_unchanged(records: list[Known], version: str, config: str) -> bool:
    """Whether chunks 0 to chunk_count - 1 stand, all of one version and configuration. More may
    stand beyond: an old tail."""
    if not records or records[0].n != 0 or not records[0].chunk_count:
        return False
    count = records[0].chunk_count
    body = records[:count]
    return len(body) == count and all(
        r.n == i and r.version == version and r.config == config for i, r in enumerate(body)
    )


def _row(record: Stored) -> tuple[object, ...] | None:
    ours = _ID.fullmatch(record.id)
    if ours is None:
        return None
    document, number = bytes.fromhex(ours[1]), int(ours[2])
    m = record.metadata
    return (
        *(document, number, m.get("version_key"), m.get("document_config")),
        *(m.get("content_sha256"), m.get("embedding_config"), m.get("chunk_count")),
    )
