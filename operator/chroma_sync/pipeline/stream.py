"""The stream: fetch, chunk, embed and index, each in threads of its own, joined by bounded queues.

    fetch --documents--> chunk --chunks--> embed (several) --records--> index

Memory is set by the bounds below and never by the size of the source, and a slow stage slows the
ones before it. What a kill can cost is what is embedded and not yet acknowledged: one request of
each embedding thread, `RECORDS_BOUND`, one write, and as many chunks 0 that wait for them.

Every document ends with exactly one verdict in the ledger. Chunk 0 of a document is written last,
after all its others are acknowledged, so a document whose chunk 0 stands is whole. Of one that
stands from an earlier run nothing is written over before all its chunks are embedded: when one is
refused, what stands is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.chunk import Chunk, Chunked, Chunker
from chroma_sync.pipeline.embed import EmbeddingRejected, Model, Space, embed_long
from chroma_sync.pipeline.errors import Stopped, Unusable
from chroma_sync.pipeline.fetch import Entry
from chroma_sync.pipeline.fetch.content import as_text
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.held import HeldRecords
from chroma_sync.pipeline.index.records import (
    Configs,
    Record,
    Vector,
    document_sha,
    make_record,
    sha256_hex,
)
from chroma_sync.pipeline.index.standing import Reusable, Standing
from chroma_sync.pipeline.index.target import stood
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import BoundedQueue, StopSignal

DOCUMENTS_BOUND = 8 * 1024 * 1024  # bytes of documents read and not yet chunked
_DOCUMENT_MIN = 64 * 1024  # what the smallest one counts, for all that comes with it
CHUNKS_BOUND = 256  # chunks not yet taken by an embedding thread
RECORDS_BOUND = 100  # records not yet taken by the index thread
# A run that more documents than this are refused to, and more than this share, ends.
REFUSED_MAX = 20
REFUSED_SHARE_MAX = 0.05
_DOUBTED = "It would be skipped, but what could say otherwise is not known: what stands stays."
# How long the index thread lets a write fill up.
_FILL_SECONDS = 0.5


@dataclass(eq=False)
class Pending:
    """A document on its way. `outstanding`, `first` and `held` belong to the index thread alone."""

    entry: Entry
    chunked: Chunked
    has_old: bool
    stands: bool  # whole from an earlier run: written over only once all chunks are embedded
    outstanding: int  # chunks other than 0 that are not acknowledged yet
    first: Record | None = None  # chunk 0, held back
    held: int = 0  # chunks that wait for the others
    failed: bool = False


@dataclass(frozen=True)
class Item:
    """One chunk of a pending document."""

    pending: Pending
    chunk: Chunk


@dataclass(frozen=True)
class Embedded:
    """One record of a pending document, ready to be written."""

    pending: Pending
    n: int
    record: Record


@dataclass(frozen=True)
class Document:
    """A document that was read: its text in UTF-8."""

    entry: Entry
    text: bytes


class ChunkedDocument:
    """A document that was cut, with the hashes of its key and of its chunks' texts."""

    def __init__(self, entry: Entry, chunked: Chunked) -> None:
        self.entry = entry
        self.chunked = chunked
        self.key_sha = document_sha(entry.key)
        self.text_shas = [sha256_hex(chunk.text) for chunk in chunked.chunks]


@dataclass(frozen=True)
class Stages:
    """What the stream is made of. `read` gives a document's bytes."""

    read: Callable[[Entry], bytes]
    make_chunker: Callable[[], Chunker]
    model: Model
    space: Space
    embed_threads: int
    collection: Collection
    write_limit: int
    ledger: Ledger
    standing: Standing
    configs: Configs
    document_prompt: str
    progress: Progress
    scratch: Path


class Stream:
    """One pass of documents through the stages. Use it once."""

    def __init__(self, stages: Stages, stop: StopSignal) -> None:
        self._s = stages
        self._stop = stop
        self._documents: BoundedQueue[Document] = BoundedQueue(
            DOCUMENTS_BOUND, stop, lambda document: max(len(document.text), _DOCUMENT_MIN)
        )
        self._chunks: BoundedQueue[Item] = BoundedQueue(CHUNKS_BOUND, stop)
        self._records: BoundedQueue[Embedded] = BoundedQueue(RECORDS_BOUND, stop)
        self._embedders_left = stages.embed_threads
        self._lock = threading.Lock()
        self._listed = stages.ledger.candidates()
        self._refused = 0  # documents

    def run(self) -> None:
        """Let all documents of the ledger flow through that have no verdict yet. Raises the first
        error of any stage; `Stopped` when the run was stopped from outside."""
        embedders = range(self._s.embed_threads)
        targets = [
            self._fetch,
            self._chunk,
            self._index,
            *(self._embed for _ in embedders),
        ]
        threads = [threading.Thread(target=self._guarded, args=(t,)) for t in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._stop.error is not None:
            raise self._stop.error
        self._stop.check()

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except Stopped:
            self._stop.stop()
        except BaseException as error:
            self._stop.stop(error)

    # fetch

    def _fetch(self) -> None:
        for entry, is_whole in self._s.ledger.open_documents():
            self._stop.check()
            if entry.skip is not None:
                self._skip(entry, entry.skip)
            elif is_whole:
                self._s.ledger.settle(entry, Verdict.UNCHANGED)
                self._s.progress.unchanged(entry.key)
            else:
                self._read(entry)
        self._documents.close()

    def _read(self, entry: Entry) -> None:
        text = as_text(entry, self._s.read(entry))
        if isinstance(text, DocumentReason):
            self._skip(entry, text)
        else:
            self._documents.put(Document(entry, text))

    def _skip(self, entry: Entry, reason: DocumentReason) -> None:
        ledger, progress = self._s.ledger, self._s.progress
        if reason in entry.doubted and stood(ledger, self._s.collection, entry):
            ledger.settle(entry, Verdict.KEPT)
            progress.kept(entry.key, reason, _DOUBTED)
        else:
            ledger.settle(entry, Verdict.SKIPPED)
            progress.skipped(entry.key, reason)

    # chunk

    def _chunk(self) -> None:
        with self._s.make_chunker() as chunker:
            while documents := self._chunked_documents(chunker):
                self._hand_out(documents)
        self._chunks.close()

    def _chunked_documents(self, chunker: Chunker) -> list[ChunkedDocument]:
        """The next documents that are there already, so many that asking what stands of them pays.
        Waits for the first; empty when there is none any more."""
        documents: list[ChunkedDocument] = []
        left = CHUNKS_BOUND
        document = self._documents.get()
        while document is not None:
            chunked = chunker.chunk(document.entry.key, document.text)
            self._s.progress.chunks("produced", len(chunked.chunks))
            documents.append(ChunkedDocument(document.entry, chunked))
            left -= len(chunked.chunks)
            document = self._documents.get(within=0) if left > 0 else None
        return documents

    def _hand_out(self, documents: list[ChunkedDocument]) -> None:
        """Send each chunk to be embedded, or straight on with a vector that stands already."""
        found = self._s.standing.find({d.key_sha: set(d.text_shas) for d in documents})
        for document in documents:
            chunks = document.chunked.chunks
            is_old = found.is_old(document.key_sha)
            stands = found.stands(document.key_sha)
            pending = Pending(document.entry, document.chunked, is_old, stands, len(chunks) - 1)
            for chunk in (*chunks[1:], chunks[0]):
                text_sha = document.text_shas[chunk.n]
                self._hand_on(Item(pending, chunk), found.get(document.key_sha, chunk.n, text_sha))

    def _hand_on(self, item: Item, reusable: Reusable | None) -> None:
        if reusable is not None and reusable.vector is not None:
            self._s.progress.chunks("reused", 1)
            self._send(item, reusable.vector, reusable.windows, reusable.in_place)
        else:
            self._chunks.put(item)

    # embed

    def _embed(self) -> None:
        limit = self._s.model.info().max_batch
        while (first := self._chunks.get()) is not None:
            batch = [first]
            while len(batch) < limit and (item := self._chunks.get(within=0)) is not None:
                batch.append(item)
            self._embed_batch(batch)
        with self._lock:
            self._embedders_left -= 1
            if self._embedders_left == 0:
                self._records.close()

    def _embed_batch(self, batch: list[Item]) -> None:
        """Embed some chunks. A chunk that the server refuses fails its document; the others of the
        batch are tried again without it."""
        prompt = self._s.document_prompt
        while batch := [item for item in batch if not item.pending.failed]:
            texts = [prompt + item.chunk.text.decode("utf-8") for item in batch]
            try:
                self._s.space.check_if_due()
                embedded = embed_long(self._s.model, texts)
            except EmbeddingRejected as rejected:
                for index, message in rejected.refused.items():
                    pending = batch[index].pending
                    self._fail(pending, DocumentReason.EMBEDDING_REJECTED, message)
                continue
            self._s.progress.chunks("embedded", len(batch))
            for item, vector, windows in zip(
                batch, embedded.vectors, embedded.windows, strict=True
            ):
                self._send(item, vector, windows)
            return

    def _fail(self, pending: Pending, reason: DocumentReason, message: str) -> None:
        with self._lock:
            if pending.failed:
                return
            pending.failed = True
            self._refused += 1
            refused = self._refused
        key, progress = pending.entry.key, self._s.progress
        # What Chroma refuses it refuses in the midst of a write: what stands is not whole by then.
        if pending.stands and reason is DocumentReason.EMBEDDING_REJECTED:
            self._s.ledger.settle(pending.entry, Verdict.KEPT)
            progress.kept(key, reason, message)
        else:
            self._s.ledger.settle(pending.entry, Verdict.FAILED)
            progress.failed(key, reason, message)
        listed = self._listed
        if refused > REFUSED_MAX and refused > listed * REFUSED_SHARE_MAX:
            raise Unusable(
                Reason.TOO_MANY_REFUSED,
                f"{refused} of {listed} documents are refused, the last with: {message}. Nothing "
                "was deleted, and the collection is not marked as finished. See what stands "
                "between the worker and its servers, such as a firewall, or leave the documents "
                "out by spec.github.excludeGlobs.",
            )

    def _send(self, item: Item, vector: Vector, windows: int, in_place: bool = False) -> None:
        pending = item.pending
        record = make_record(
            *(pending.entry, pending.chunked, item.chunk, vector),
            windows=windows,
            configs=self._s.configs,
            replaces=pending.has_old,
            in_place=in_place,
        )
        self._records.put(Embedded(pending, item.chunk.n, record))

    # index

    def _index(self) -> None:
        with closing(HeldRecords(self._s.scratch / "held.sqlite")) as held:
            self._write_all(held)

    def _write_all(self, held: HeldRecords) -> None:
        ready: list[Embedded] = []
        while True:
            # With something ready, wait only as long as a write may take to fill up.
            got = self._records.get(within=_FILL_SECONDS if ready else None)
            if got is None and not ready:
                return
            full_at = time.monotonic() + _FILL_SECONDS
            while got is not None:
                ready = self._admit(got, ready, held)
                left = full_at - time.monotonic()
                full = len(ready) >= self._s.write_limit or left <= 0
                got = None if full else self._records.get(within=left)
            ready = self._write(ready)

    def _admit(self, item: Embedded, ready: list[Embedded], held: HeldRecords) -> list[Embedded]:
        """Let a record be written now, or hold it back: a chunk of a document that stands waits for
        all its others, so that one that is refused finds nothing written over. Returns what is to
        be written next."""
        pending = item.pending
        if not pending.stands:
            _queue(item, ready)
            return ready
        key_sha = document_sha(pending.entry.key)
        held.hold(key_sha, item.n, item.record)
        pending.held += 1
        if pending.held == len(pending.chunked.chunks):
            for n, record in held.taken(key_sha, pending.chunked):
                _queue(Embedded(pending, n, record), ready)
                if len(ready) >= self._s.write_limit:
                    ready = self._write(ready)
        return ready

    def _write(self, ready: list[Embedded]) -> list[Embedded]:
        """Write up to one batch. Returns what is to be written next: the rest, and each chunk 0
        whose document has all its other chunks acknowledged by now."""
        live = [item for item in ready if not item.pending.failed]
        batch, rest = live[: self._s.write_limit], live[self._s.write_limit :]
        if not batch:
            return rest
        refused = self._s.collection.upsert([item.record for item in batch])
        why = {one.record.id: one.why for one in refused}
        self._s.progress.chunks("written", len(batch) - len(refused))
        for item in batch:
            pending = item.pending
            if item.record.id in why:
                self._fail(pending, DocumentReason.RECORD_REJECTED, why[item.record.id])
            if pending.failed:
                continue
            if item.n == 0:
                entry, chunked = pending.entry, pending.chunked
                count, note = len(chunked.chunks), chunked.fallback
                self._s.ledger.settle(entry, Verdict.INDEXED)
                self._s.progress.indexed(entry.key, entry.size, count, note)
                continue
            pending.outstanding -= 1
            if pending.outstanding == 0 and pending.first is not None:
                rest.append(Embedded(pending, 0, pending.first))
                pending.first = None
        return rest


def _queue(item: Embedded, ready: list[Embedded]) -> None:
    """Let a record be written, or hold it back when it is a chunk 0 that must wait."""
    if item.n == 0 and item.pending.outstanding > 0:
        item.pending.first = item.record
    else:
        ready.append(item)
