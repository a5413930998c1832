"""The last stage of the stream: records are written in batches, each document's chunk 0 last."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.held import HeldRecords
from chroma_sync.pipeline.index.records import Record
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import BoundedQueue

# How long a write may take to fill up.
_FILL_SECONDS = 0.5


@dataclass(frozen=True)
class ReadyRecord:
    """One record of a document, ready to be written."""

    document: Document
    n: int
    record: Record


class Writer:
    """Writes records into a collection, at most `limit` at once. Used by one thread. `fail` is told
    of documents of which Chroma refuses a record."""

    def __init__(
        self,
        collection: Collection,
        limit: int,
        ledger: Ledger,
        progress: Progress,
        fail: Callable[[Document, DocumentReason, str], None],
    ) -> None:
        self._collection = collection
        self._limit = limit
        self._ledger = ledger
        self._progress = progress
        self._fail = fail

    def write_all(self, records: BoundedQueue[ReadyRecord], held_file: Path) -> None:
        """Write until the queue is closed and empty. `held_file`: for what must wait."""
        with closing(HeldRecords(held_file)) as held:
            self._write_all(records, held)

    def _write_all(self, records: BoundedQueue[ReadyRecord], held: HeldRecords) -> None:
        ready: list[ReadyRecord] = []
        while True:
            # With something ready, wait only as long as a write may take to fill up.
            got = records.get(within=_FILL_SECONDS if ready else None)
            if got is None and not ready:
                return
            full_at = time.monotonic() + _FILL_SECONDS
            while got is not None:
                ready = self._admit(got, ready, held)
                left = full_at - time.monotonic()
                full = len(ready) >= self._limit or left <= 0
                got = None if full else records.get(within=left)
            ready = self._write(ready)

    def _admit(
        self, item: ReadyRecord, ready: list[ReadyRecord], held: HeldRecords
    ) -> list[ReadyRecord]:
        """Let a record be written now, or hold it back: a chunk of a document that stood waits for
        all its others, so that one that is refused finds nothing written over. Returns what is to
        be written next."""
        document = item.document
        if not document.stood:
            _queue(item, ready)
            return ready
        chunked, base = document.chunked, document.base
        held.hold(base, item.n, item.record)
        document.held += 1
        if document.held == len(chunked):
            for n, record in held.taken(base, lambda n: chunked.text_of(n).decode()):
                _queue(ReadyRecord(document, n, record), ready)
                if len(ready) >= self._limit:
                    ready = self._write(ready)
        return ready

    def _write(self, ready: list[ReadyRecord]) -> list[ReadyRecord]:
        """Write up to one batch. Returns what is to be written next: the rest, and each chunk 0
        whose document has all its other chunks acknowledged by now."""
        live = [item for item in ready if not item.document.failed]
        batch, rest = live[: self._limit], live[self._limit :]
        if not batch:
            return rest
        refused = self._collection.upsert([item.record for item in batch])
        why = {one.record.id: one.why for one in refused}
        self._progress.chunks("written", len(batch) - len(refused))
        for item in batch:
            document = item.document
            if item.record.id in why:
                self._fail(document, DocumentReason.RECORD_REJECTED, why[item.record.id])
            if document.failed:
                continue
            if item.n == 0:
                chunked = document.chunked
                self._ledger.settle(document, Verdict.INDEXED)
                self._progress.indexed(document.key, document.size, len(chunked), chunked.fallback)
                continue
            document.outstanding -= 1
            if document.outstanding == 0 and document.first is not None:
                rest.append(ReadyRecord(document, 0, document.first))
                document.first = None
        return rest


def _queue(item: ReadyRecord, ready: list[ReadyRecord]) -> None:
    """Let a record be written, or hold it back when it is a chunk 0 that must wait."""
    if item.n == 0 and item.document.outstanding > 0:
        item.document.first = item.record
    else:
        ready.append(item)
