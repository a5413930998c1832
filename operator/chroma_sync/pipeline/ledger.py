"""What a run knows of each document, in a SQLite file on the scratch folder.

Each document of the source is met once, and takes exactly one verdict. What of it stands in the
target is found out before it is looked at (see `existing`), and finish decides by the ledger
alone what goes. The file grows with the source and the target, memory does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import id_parts, is_first, record_id
from chroma_sync.pipeline.scratch import scratch_database

_SCHEMA: Final = """
CREATE TABLE document (
  n INTEGER PRIMARY KEY, -- its place in the listing
  sha BLOB NOT NULL UNIQUE, -- of its key
  state TEXT, -- what decides "unchanged"; null of one that can have no records, or is not opened
  late INTEGER NOT NULL, -- until it is opened, of one whose version only that tells
  known TEXT, -- the version in which such a one stands whole
  listed_sha BLOB, -- such a one as it was listed: its key and all
  listed TEXT,
  ref TEXT NOT NULL,
  chunk_count INTEGER, -- of one that stands whole in this state
  stood INTEGER NOT NULL DEFAULT 0, -- has its chunk 0 in the target, in whatever state
  verdict TEXT
);
CREATE TABLE leftover (sha BLOB, n INTEGER, PRIMARY KEY (sha, n)) WITHOUT ROWID;
"""
_PAGE: Final = 1_000
_STANDS: Final = "verdict IN ('indexed', 'unchanged')"


class Verdict(StrEnum):
    """What became of a document in this run."""

    INDEXED = "indexed"  # written whole
    UNCHANGED = "unchanged"  # stood whole already
    SKIPPED = "skipped"  # not indexed, on purpose
    FAILED = "failed"  # can't be indexed; nothing of it stands
    KEPT = "kept"  # not indexed; what stands of it stays
    SEALED = "sealed"  # skipped or failed, as the pod says that has judged it


class Line(NamedTuple):
    """What the ledger knows of a document: the hash of its key, its state, its verdict if it has
    one, whether it stands whole, and whether its chunk 0 stood, as far as that was asked."""

    sha: bytes
    state: str
    verdict: Verdict | None
    is_whole: bool
    stood: bool


@dataclass(frozen=True)
class Orphan:
    """Some records of one document that must go. `is_gone`: the source lacks the document."""

    ids: list[str]
    is_gone: bool


class Ledger:
    """The documents of one run. Several threads may ask and settle; everything else is done by one.

    `close` it at the end."""

    def __init__(self, path: Path) -> None:
        self._db = scratch_database(path, _SCHEMA)
        self._writing = Lock()
        self.knows_first = False
        self.revision = ""  # that was listed whole; empty before
        self.unread = 0  # late documents of which nobody knows by which key they stand, if any
        self.refused = 0  # documents, by the model or by Chroma; of other pods' too, once accepted

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Meeting documents

    def meet(self, ref: Ref) -> bool:
        """Take in a document of the listing. False when its key was met before."""
        document = Document.of(ref)
        # What the listing alone skips has no records in a run from nothing, but may have some that
        # stay where that is in doubt.
        has_records = ref.skip is None or ref.skip in ref.doubted
        is_late, encoded = document.is_late and has_records, _encoded(ref)
        row = (
            *(_sha(document), document.state or None if has_records else None, is_late, encoded),
            *((_sha(document), encoded) if is_late else (None, None)),
        )
        statement = (
            "INSERT OR IGNORE INTO document (sha, state, late, ref, listed_sha, listed)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        with self._writing:
            return self._db.execute(statement, row).rowcount == 1

    def candidates(self) -> int:
        """How many documents the listing alone does not skip."""
        return self._number("SELECT COUNT(*) FROM document WHERE state IS NOT NULL OR late")

    def open_documents(self) -> Iterator[Document]:
        """The documents that have no verdict yet, in the order of the listing. They may be settled
        meanwhile."""
        return self._documents("verdict IS NULL")

    def late_documents(self) -> Iterator[Document]:
        """Those of them whose version only opening tells, in the order of the listing."""
        return self._documents("verdict IS NULL AND late")

    def _documents(self, which: str) -> Iterator[Document]:
        columns = "ref, sha, state, known, chunk_count IS NOT NULL"
        for page in self._pages(columns, which, _PAGE):
            for ref, sha, state, known, is_whole in page:
                yield Document(_decoded(ref), sha.hex(), state or "", known, bool(is_whole))

    def complete(self, document: Document, ref: Ref) -> bool:
        """Take in what opening has told: the key and version of a late document, or the version of
        one that was changed since it was listed. False, and nothing is taken in, when its final key
        was met before. Whether it stands is known still where its key and its state are those that
        it was known by."""
        found, state = Document.of(ref), document.ref.state(ref.version or "")
        same = (found.key_sha, state) == (document.key_sha, document.state)
        row = (_sha(found), state, _encoded(ref), same, _sha(document))
        statement = (
            "UPDATE OR IGNORE document SET sha = ?, state = ?, ref = ?, late = 0,"
            " chunk_count = CASE WHEN ? THEN chunk_count END WHERE sha = ?"
        )
        with self._writing:
            if self._db.execute(statement, row).rowcount != 1:
                return False
        document.ref, document.key_sha, document.state = ref, found.key_sha, state
        document.is_whole = document.is_whole and same
        return True

    def settle(self, document: Document, verdict: Verdict) -> None:
        """Give a document its verdict. Raises `RuntimeError` for a second one, which would be a
        fault of the program."""
        # Of one that was never opened no state can be asked for.
        statement = (
            "UPDATE document SET verdict = ?, state = CASE WHEN late THEN '' ELSE state END,"
            " chunk_count = CASE WHEN NOT late THEN chunk_count END, late = 0"
            " WHERE sha = ? AND verdict IS NULL"
        )
        with self._writing:
            done = self._db.execute(statement, (verdict.value, _sha(document)))
        if done.rowcount != 1:
            raise RuntimeError(f"{document.key!r} was judged twice, or was never met")

    def unsettled(self) -> int:
        """How many documents have no verdict yet."""
        return self._number("SELECT COUNT(*) FROM document WHERE verdict IS NULL")

    # What stands of them in the target

    def states(self, size: int) -> Iterator[dict[str, str]]:
        """The documents that may have records in a known state, in batches: the state by the hash
        of the key."""
        for page in self._pages("sha, state", "state IS NOT NULL AND NOT late", size):
            yield {sha.hex(): state for sha, state in page}

    def load_chunk_counts(self, counts: Mapping[str, int | None]) -> None:
        """Take in of documents, by the hash of the key, how many chunks they have when they stand
        whole in their state, and None when they do not."""
        rows = ((count, bytes.fromhex(key_sha)) for key_sha, count in counts.items())
        self._do("UPDATE document SET chunk_count = ? WHERE sha = ?", rows)

    def load_known(self, documents: Iterable[Document], counts: Mapping[str, int | None]) -> None:
        """Take in of late documents the versions that are known of them, and how many chunks they
        have in these."""
        rows = ((d.known, d.state or None, counts.get(d.key_sha), _sha(d)) for d in documents)
        self._do("UPDATE document SET known = ?, state = ?, chunk_count = ? WHERE sha = ?", rows)

    def load_first(self, ids: Iterable[Iterable[str]]) -> None:
        """Take in, of all ids of the target, which documents have their chunk 0 there."""
        update = "UPDATE document SET stood = 1 WHERE sha = ?"
        for page in ids:
            found = (id_parts(id_) for id_ in page if is_first(id_))
            self._do(update, ((bytes.fromhex(parts[0]),) for parts in found if parts is not None))
        self.knows_first = True

    def stood(self, document: Document) -> bool:
        """Whether a document has its chunk 0 in the target, in whatever state."""
        question = "SELECT 1 FROM document WHERE sha = ? AND stood"
        return bool(self._rows(question, (_sha(document),)))

    def whole(self) -> int:
        """How many documents stand whole."""
        return self._number("SELECT COUNT(chunk_count) FROM document")

    def records(self) -> int:
        """How many records they have together."""
        return self._number("SELECT TOTAL(chunk_count) FROM document")

    def reopen_lost(self) -> None:
        """Take the verdict back from documents that stood whole and do not any more. What was late
        is so again, under the key that it was listed by."""
        with self._writing:
            self._db.execute(
                "UPDATE OR IGNORE document SET verdict = NULL, late = listed IS NOT NULL,"  # noqa: S608
                " sha = COALESCE(listed_sha, sha), ref = COALESCE(listed, ref), known = NULL,"
                " state = CASE WHEN listed IS NULL THEN state END"
                f" WHERE {_STANDS} AND chunk_count IS NULL"
            )

    def disagreeing(self) -> int:
        """How many documents do not stand as their verdicts say."""
        return self._number(
            "SELECT COUNT(*) FROM document WHERE verdict != 'kept'"  # noqa: S608 - names of ours
            f" AND ({_STANDS}) != (chunk_count IS NOT NULL)"
        )

    # What other pods have judged

    def lines(self, *, undecided: bool = False) -> Iterator[list[Line]]:
        """All documents, a page at a time; `undecided`: those that are not whole and have no
        verdict. They may be settled meanwhile."""
        which = "chunk_count IS NULL AND verdict IS NULL" if undecided else "TRUE"
        columns = "sha, state, verdict, chunk_count IS NOT NULL, stood"
        for page in self._pages(columns, which, _PAGE):
            yield [
                Line(sha, state or "", verdict and Verdict(verdict), bool(is_whole), bool(stood))
                for sha, state, verdict, is_whole, stood in page
            ]

    def take_over(self, verdicts: Iterable[tuple[Line, Verdict]]) -> None:
        """Give documents the verdicts of another pod."""
        rows = ((verdict.value, line.sha) for line, verdict in verdicts)
        self._do("UPDATE document SET verdict = ? WHERE sha = ?", rows)

    # What must go

    def load_ids(self, ids: Iterable[str]) -> None:
        """Take in ids of the target, once all chunk counts are known. An id that is not one of ours
        is left alone."""
        self._do(
            "INSERT OR IGNORE INTO leftover SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM document"
            " WHERE sha = ?1 AND (chunk_count > ?2 OR verdict IS 'kept'))",
            _ours(ids),
        )

    def leftovers(self, size: int) -> Iterator[list[str]]:
        """These ids, without those of documents that stand or are kept, in batches. They may be
        spared meanwhile."""
        last = (b"", -1)
        while rows := self._rows(
            "SELECT sha, n FROM leftover WHERE (sha, n) > (?, ?) ORDER BY sha, n LIMIT ?",
            (*last, size),
        ):
            yield [record_id(sha.hex(), n) for sha, n in rows]
            last = rows[-1]

    def spare_unknown(self) -> None:
        """Of documents that were not met nothing is this run's to delete."""
        with self._writing:
            self._db.execute("DELETE FROM leftover WHERE sha NOT IN (SELECT sha FROM document)")

    def spare(self, ids: Iterable[str]) -> None:
        """Some of them are not this run's to delete."""
        self._do("DELETE FROM leftover WHERE sha = ? AND n = ?", _ours(ids))

    def orphans(self) -> Iterator[Orphan]:
        """What is left over, which a run from nothing would not have: documents that are gone,
        documents that do not stand whole in their state, and old tails."""
        rows = self._db.execute(
            "SELECT leftover.sha, leftover.n, document.state IS NULL FROM leftover"
            " LEFT JOIN document USING (sha) ORDER BY leftover.sha, leftover.n"
        )
        current: tuple[bytes, bool] | None = None
        ids: list[str] = []
        for sha, n, is_gone in rows:
            if current is not None and (current[0] != sha or len(ids) == _PAGE):
                yield Orphan(ids, current[1])
                ids = []
            current = (sha, bool(is_gone))
            ids.append(record_id(sha.hex(), n))
        if current is not None:
            yield Orphan(ids, current[1])

    def removed(self) -> int:
        """How many documents of the target go as a whole: those that lose their chunk 0 and have a
        verdict, or are gone from the source."""
        return self._number(
            "SELECT COUNT(*) FROM leftover LEFT JOIN document USING (sha) WHERE leftover.n = 0"
            " AND (document.state IS NULL OR document.verdict IS NOT NULL)"
        )

    def stand(self) -> int:
        """How many documents stand in the target, as finish finds it: those that will go too."""
        # What is kept is no leftover; of that, few stand whole in their state.
        kept = self._number(
            "SELECT COUNT(*) FROM document WHERE verdict IS 'kept' AND chunk_count IS NULL"
        )
        return self.whole() + kept + self.removed()

    def _number(self, question: str) -> int:
        return int(self._db.execute(question).fetchone()[0])

    def _pages(self, columns: str, which: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Some columns of some documents, a page at a time, in the order of the listing. They may
        be changed meanwhile."""
        where = f"n > ? AND {which}"
        question = f"SELECT {columns}, n FROM document WHERE {where} ORDER BY n LIMIT ?"  # noqa: S608
        last = 0
        while rows := self._rows(question, (last, size)):
            yield [row[:-1] for row in rows]
            last = rows[-1][-1]

    def _rows(self, question: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._db.execute(question, values).fetchall()

    def _do(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._writing:
            self._db.executemany(statement, rows)


def _ours(ids: Iterable[str]) -> Iterator[tuple[bytes, int]]:
    """The hash of the document's key and the chunk's number, of those ids that are ours."""
    for id_ in ids:
        if (parts := id_parts(id_)) is not None:
            yield bytes.fromhex(parts[0]), parts[1]


def _sha(document: Document) -> bytes:
    return bytes.fromhex(document.key_sha)


def _encoded(ref: Ref) -> str:
    return json.dumps(
        [
            *(ref.key, ref.version, ref.size, ref.skip, sorted(ref.despite)),
            *(ref.encoding, sorted(ref.doubted), ref.media_type),
        ]
    )


def _decoded(text: str) -> Ref:
    key, version, size, skip, despite, encoding, doubted, media_type = json.loads(text)
    return Ref(
        *(key, version, size),
        skip=None if skip is None else DocumentReason(skip),
        despite=frozenset(map(DocumentReason, despite)),
        encoding=encoding,
        doubted=frozenset(map(DocumentReason, doubted)),
        media_type=media_type,
    )
