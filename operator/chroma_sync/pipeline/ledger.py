"""What a run knows of each document, in a SQLite file on the scratch folder.

Each document of the source is met once, and takes exactly one verdict. What of it stands in the
target is found out before it is looked at (see `existing`), and finish decides by the ledger
alone what goes. The file grows with the source and the target, memory does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import is_first, is_hash, record_id
from chroma_sync.pipeline.ledger_rows import (
    base_of,
    decoded,
    encoded,
    hashed_ids,
    named_base,
    other_key,
    stored_base,
    stored_id,
    stored_ids,
)
from chroma_sync.pipeline.scratch import scratch_database

_SCHEMA: Final = """
CREATE TABLE document (
  n INTEGER PRIMARY KEY, -- its place in the listing
  base NOT NULL UNIQUE, -- of its record ids: a hash in bytes, or an id of its own as text
  key_sha BLOB UNIQUE, -- of its key, where the base is another
  state TEXT, -- what decides "unchanged"; null of one that can have no records, or is not opened
  late INTEGER NOT NULL, -- until it is opened, of one whose version only that tells
  known TEXT, -- the version in which such a one stands whole
  listed_base, -- such a one as it was listed: its key and all
  listed TEXT,
  ref TEXT NOT NULL,
  chunk_count INTEGER, -- of one that stands whole in this state
  stood INTEGER NOT NULL DEFAULT 0, -- has its chunk 0 in the target, in whatever state
  taken_by TEXT, -- whose its ids are, if another document's
  verdict TEXT
);
CREATE TABLE leftover (
  base, n INTEGER,
  owner, -- the base that its document has now, or would have
  PRIMARY KEY (base, n)
) WITHOUT ROWID;
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
    """What the ledger knows of a document: its base, its state, its verdict if it has one, whether
    it stands whole, and whether its chunk 0 stood, as far as that was asked."""

    base: str
    state: str
    verdict: Verdict | None
    is_whole: bool
    stood: bool


@dataclass(frozen=True)
class Orphan:
    """Some records of one document that must go. `is_gone`: the source lacks the document;
    `stands`: others of its records are all that there is to be of it."""

    ids: list[str]
    is_gone: bool
    stands: bool


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
        """Take in a document of the listing. False when its key, or its own id, was met before."""
        document = Document.of(ref)
        # What the listing alone skips has no records in a run from nothing, but may have some that
        # stay where that is in doubt.
        has_records = ref.skip is None or ref.skip in ref.doubted
        is_late, as_text = document.is_late and has_records, encoded(ref)
        row = (
            *(base_of(document), other_key(document), is_late, as_text),
            document.state or None if has_records else None,
            *((base_of(document), as_text) if is_late else (None, None)),
        )
        statement = (
            "INSERT OR IGNORE INTO document (base, key_sha, late, ref, state, listed_base, listed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        with self._writing:
            return self._db.execute(statement, row).rowcount == 1

    def holder(self, ref: Ref) -> str:
        """The key of the document that was met by the base of another."""
        rows = self._rows("SELECT ref FROM document WHERE base = ?", (base_of(Document.of(ref)),))
        return decoded(rows[0][0]).key if rows else ref.key

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
        columns = "ref, COALESCE(key_sha, base), state, known, chunk_count IS NOT NULL, taken_by"
        for page in self._pages(columns, which, _PAGE):
            for ref, key_sha, state, known, is_whole, taken_by in page:
                yield Document(
                    *(decoded(ref), key_sha.hex(), state or "", known, bool(is_whole)),
                    taken_by=taken_by or "",
                )

    def complete(self, document: Document, ref: Ref) -> bool:
        """Take in what opening has told: the key and version of a late document, or the version of
        one that was changed since it was listed. False, and nothing is taken in, when its final key
        was met before. Whether it stands is known still where its key and its state are those that
        it was known by."""
        found, state = Document.of(ref), document.ref.state(ref.version or "")
        same = (found.base, state) == (document.base, document.state)
        row = (
            *(base_of(found), other_key(found), state),
            *(encoded(ref), same, base_of(document)),
        )
        statement = (
            "UPDATE OR IGNORE document SET base = ?, key_sha = ?, state = ?, ref = ?, late = 0,"
            " chunk_count = CASE WHEN ? THEN chunk_count END WHERE base = ?"
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
            " WHERE base = ? AND verdict IS NULL"
        )
        with self._writing:
            done = self._db.execute(statement, (verdict.value, base_of(document)))
        if done.rowcount != 1:
            raise RuntimeError(f"{document.key!r} was judged twice, or was never met")

    def unsettled(self) -> int:
        """How many documents have no verdict yet."""
        return self._number("SELECT COUNT(*) FROM document WHERE verdict IS NULL")

    # What stands of them in the target

    def states(self, size: int) -> Iterator[dict[str, str]]:
        """The documents that may have records in a known state, in batches: the state by the
        base."""
        for page in self._pages("base, state", "state IS NOT NULL AND NOT late", size):
            yield {named_base(base): state for base, state in page}

    def load_chunk_counts(self, counts: Mapping[str, int | None]) -> None:
        """Take in of documents, by the base, how many chunks they have when they stand whole in
        their state, and None when they do not."""
        rows = ((count, stored_base(base)) for base, count in counts.items())
        self._do("UPDATE document SET chunk_count = ? WHERE base = ?", rows)

    def load_known(self, documents: Iterable[Document], counts: Mapping[str, int | None]) -> None:
        """Take in of late documents the versions that are known of them, and how many chunks they
        have in these."""
        rows = ((d.known, d.state or None, counts.get(d.base), base_of(d)) for d in documents)
        self._do("UPDATE document SET known = ?, state = ?, chunk_count = ? WHERE base = ?", rows)

    def bases_to_write(self, size: int) -> Iterator[list[str]]:
        """The bases of documents that have no verdict and do not stand whole, in batches."""
        which = "verdict IS NULL AND chunk_count IS NULL AND (state IS NOT NULL OR late)"
        for page in self._pages("base", which, size):
            yield [named_base(base) for (base,) in page]

    def load_taken(self, taken: Mapping[str, str]) -> None:
        """Take in of documents, by the base, whose their ids are."""
        rows = ((by, stored_base(base)) for base, by in taken.items())
        self._do("UPDATE document SET taken_by = ? WHERE base = ?", rows)

    def load_first(self, ids: Iterable[Iterable[str]]) -> None:
        """Take in, of all ids of the target, which documents have their chunk 0 there: by the hash
        of the key, whatever base they have now."""
        update = "UPDATE document SET stood = 1 WHERE base = ?1 OR key_sha = ?1"
        for page in ids:
            self._do(update, ((base,) for base, _ in hashed_ids(filter(is_first, page))))
        self.knows_first = True

    def stood(self, document: Document) -> bool:
        """Whether a document has its chunk 0 in the target, in whatever state."""
        question = "SELECT 1 FROM document WHERE base = ? AND stood"
        return bool(self._rows(question, (base_of(document),)))

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
                " base = COALESCE(listed_base, base), ref = COALESCE(listed, ref), known = NULL,"
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
        columns = "base, state, verdict, chunk_count IS NOT NULL, stood"
        for page in self._pages(columns, which, _PAGE):
            yield [
                Line(
                    *(named_base(base), state or "", verdict and Verdict(verdict)),
                    *(bool(is_whole), bool(stood)),
                )
                for base, state, verdict, is_whole, stood in page
            ]

    def take_over(self, verdicts: Iterable[tuple[Line, Verdict]]) -> None:
        """Give documents the verdicts of another pod."""
        rows = ((verdict.value, stored_base(line.base)) for line, verdict in verdicts)
        self._do("UPDATE document SET verdict = ? WHERE base = ?", rows)

    # What must go

    def load_ids(self, ids: Iterable[str], *, all_ours: bool = False) -> None:
        """Take in ids of the target, once all chunk counts are known. One that does not begin with
        a hash is left alone, unless they are known to be `all_ours`."""
        self._do(
            "INSERT OR IGNORE INTO leftover SELECT ?1, ?2, ?1 WHERE NOT EXISTS (SELECT 1 FROM"
            " document WHERE base = ?1 AND (chunk_count > ?2 OR verdict IS 'kept'))",
            stored_ids(ids) if all_ours else hashed_ids(ids),
        )

    def load_owners(self, owners: Iterable[tuple[str, str]]) -> None:
        """Take in of which documents these are, whatever base those have now: their ids, each with
        the hash of the document's key. What is of a document that is kept stays."""
        rows = (
            (*parts, bytes.fromhex(key_sha))
            for id_, key_sha in owners
            if (parts := stored_id(id_)) is not None and is_hash(key_sha)
        )
        self._do(
            "UPDATE leftover SET owner = COALESCE((SELECT base FROM document WHERE key_sha = ?3),"
            " ?3) WHERE base = ?1 AND n = ?2",
            rows,
        )

    def spare_kept(self) -> None:
        """What is of a document that is kept stays, under whatever ids."""
        with self._writing:
            self._db.execute(
                "DELETE FROM leftover WHERE owner IN"
                " (SELECT base FROM document WHERE verdict IS 'kept')"
            )

    def leftovers(self, size: int) -> Iterator[list[str]]:
        """These ids, without those of documents that stand or are kept, in batches. They may be
        spared meanwhile."""
        last: tuple[str | bytes, int] = ("", -1)  # texts are in front of bytes
        while rows := self._rows(
            "SELECT base, n FROM leftover WHERE (base, n) > (?, ?) ORDER BY base, n LIMIT ?",
            (*last, size),
        ):
            yield [record_id(named_base(base), n) for base, n in rows]
            last = rows[-1]

    def spare_unknown(self) -> None:
        """Of documents that were not met nothing is this run's to delete."""
        with self._writing:
            self._db.execute("DELETE FROM leftover WHERE owner NOT IN (SELECT base FROM document)")

    def spare(self, ids: Iterable[str]) -> None:
        """Some of them are not this run's to delete."""
        self._do("DELETE FROM leftover WHERE base = ? AND n = ?", stored_ids(ids))

    def orphans(self) -> Iterator[Orphan]:
        """What is left over, which a run from nothing would not have: documents that are gone,
        documents that do not stand whole in their state, old tails, and ids that a document had
        before."""
        rows = self._db.execute(
            "SELECT leftover.base, leftover.n, leftover.owner, document.state IS NULL,"
            " document.chunk_count IS NOT NULL FROM leftover"
            " LEFT JOIN document ON document.base = leftover.owner"
            " ORDER BY leftover.base, leftover.n"
        )
        current: tuple[Any, ...] = ()
        ids: list[str] = []
        for base, n, *of in rows:
            if ids and (current != (base, *of) or len(ids) == _PAGE):
                yield Orphan(ids, bool(current[-2]), bool(current[-1]))
                ids = []
            current = (base, *of)
            ids.append(record_id(named_base(base), n))
        if ids:
            yield Orphan(ids, bool(current[-2]), bool(current[-1]))

    def removed(self) -> int:
        """How many documents of the target go as a whole: those that lose their chunk 0 and have a
        verdict, or are gone from the source."""
        return self._number(
            "SELECT COUNT(*) FROM leftover LEFT JOIN document ON document.base = leftover.owner"
            " WHERE leftover.n = 0 AND document.chunk_count IS NULL"
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
