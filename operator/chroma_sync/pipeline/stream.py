"""The stream: fetch, extract and chunk, joined by bounded queues, and an end that takes the chunks.
Each has a thread of its own, and fetch one for each document that its source lets it open at once.

    fetch --documents--> extract --texts--> chunk --chunks--> end

The end of a run embeds and writes them (see `indexing`), that of a plan counts them (`forecast`).

Memory is set by the bounds below and those of the end, never by the size of the source, and a slow
stage slows the ones before it. Every document that has no chunks gets its verdict here; the end of
a run gives one to each of the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.body import discard, size_of
from chroma_sync.pipeline.chunk import Chunk, Chunker
from chroma_sync.pipeline.document import Document, Item
from chroma_sync.pipeline.errors import Stopped
from chroma_sync.pipeline.existing import load_document, stood
from chroma_sync.pipeline.extract import Extractor, NotExtracted
from chroma_sync.pipeline.fetch import Connector, Kept, Opened, Ref, Skipped, Unchanged
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.existing_vectors import ExistingVectors
from chroma_sync.pipeline.index.records import Configs, record_id, sha256_hex
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import BoundedQueue, StopSignal
from chroma_sync.pipeline.reading import text_of

DOCUMENTS_BOUND = 8 * 1024 * 1024  # bytes of documents read and not yet extracted, in memory
TEXTS_BOUND = 8 * 1024 * 1024  # bytes of texts not yet chunked
_DOCUMENT_MIN = 64 * 1024  # what the smallest one counts, for all that comes with it
_FILE_WEIGHT = DOCUMENTS_BOUND // 4  # what one in a file counts: scratch holds few large ones
CHUNKS_BOUND = 256  # chunks that are looked up at once, and that wait for the end
_DOUBTED = "It would be skipped, but what could say otherwise is not known: what stands stays."
_TAKEN = (
    "has the ids that the records of this one would have. Give it another id (customId), or bring "
    "it into another collection."
)


@dataclass(frozen=True)
class Stages:
    """What the stream is made of. `target` is None where a plan finds no collection."""

    connector: Connector
    make_extractor: Callable[[], Extractor]
    make_chunker: Callable[[], Chunker]
    ledger: Ledger
    target: Collection | None
    vectors: ExistingVectors
    configs: Configs
    progress: Progress


class End(Protocol):
    """What becomes of the chunks."""

    def workers(self) -> Sequence[Callable[[], None]]:
        """What runs meanwhile, each in a thread of its own."""

    def put(self, item: Item) -> None:
        """Take a chunk: one document after the other, chunk 0 of each behind all its others."""

    def end(self) -> None:
        """No more chunks come."""

    def close(self) -> None:
        """Give files back, when all threads have ended."""


class Stream:
    """One pass of documents through the stages. Use it once."""

    def __init__(self, stages: Stages, end: End, stop: StopSignal) -> None:
        self._s = stages
        self._end = end
        self._stop = stop
        self._lanes = stages.connector.lanes
        self._to_open: BoundedQueue[Document] = BoundedQueue(self._lanes, stop)
        self._documents: BoundedQueue[Document] = BoundedQueue(
            DOCUMENTS_BOUND,
            stop,
            _weight,
            writers=self._lanes,
        )
        self._extracted: BoundedQueue[Document] = BoundedQueue(
            TEXTS_BOUND, stop, lambda document: max(len(document.text.data), _DOCUMENT_MIN)
        )
        self._asking = threading.Lock()  # fetch and extract ask what stood, one at a time

    def run(self) -> None:
        """Let all documents of the ledger flow through that have no verdict yet. Raises the first
        error of any stage; `Stopped` when the run was stopped from outside."""
        fetch = [self._choose, *[self._fetch] * self._lanes]
        stages = [*fetch, self._extract, self._chunk, *self._end.workers()]
        threads = [threading.Thread(target=self._guarded, args=(stage,)) for stage in stages]
        with closing(self._end):
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

    def _choose(self) -> None:
        for document in self._s.ledger.open_documents():
            self._stop.check()
            if document.ref.skip is not None:
                self._skip(document, document.ref.skip)
            elif document.taken_by:
                self._refuse(document, document.taken_by)
            elif document.is_whole and not document.is_late:
                self._unchanged(document)
            else:
                self._to_open.put(document)
        self._to_open.close()

    def _fetch(self) -> None:
        while (document := self._to_open.get()) is not None:
            self._open(document)
        self._documents.close()

    def _open(self, document: Document) -> None:
        match self._s.connector.open(document.ref, document.known):
            case Opened(ref, body):
                if reason := self._completed(document, ref):
                    self._skip(document, reason)
                elif document.is_whole:
                    self._unchanged(document)
                else:
                    # What else opening has told, such as the size of one that was listed without.
                    document.ref = replace(ref, size=size_of(body))
                    document.body = body
                    self._documents.put(document)
                    return
                discard(body)
            case Unchanged():
                self._completed(document, replace(document.ref, version=document.known))
                self._unchanged(document)
            case Skipped(reason):
                self._skip(document, reason)
            case Kept(reason, message):
                is_kept = self._not_read(document, reason, message, in_doubt=True)
                if document.is_late and not is_kept:
                    with self._asking:
                        self._s.ledger.unread += 1

    def _completed(self, document: Document, ref: Ref) -> DocumentReason | None:
        """Take in what opening has told. Returns why that is no document of this run, if so."""
        if ref.version is None:
            raise RuntimeError(f"{document.key!r} was opened, and still has no version")
        if not document.is_late:
            if ref.key != document.key:
                raise RuntimeError(f"{document.key!r} was listed by another key")
            if ref.version != document.version:  # changed since it was listed
                self._s.ledger.complete(document, ref)
            return None
        if not self._s.connector.scope().covers(ref.key):
            return DocumentReason.OUT_OF_SCOPE
        is_renamed = ref.key != document.key
        if not self._s.ledger.complete(document, ref):
            return DocumentReason.DUPLICATE
        if is_renamed and self._s.target is not None:
            with self._asking:
                load_document(self._s.ledger, self._s.target, self._s.configs, document)
        return None

    def _unchanged(self, document: Document) -> None:
        self._s.ledger.settle(document, Verdict.UNCHANGED)
        self._s.progress.unchanged(document.key)

    def _refuse(self, document: Document, taken_by: str) -> None:
        """A document can't have its ids. What stands of it under others stays."""
        message = f"{taken_by} {_TAKEN}"
        self._not_read(document, DocumentReason.ID_TAKEN, message, in_doubt=True)

    def _skip(self, document: Document, reason: DocumentReason) -> None:
        ledger, progress = self._s.ledger, self._s.progress
        if reason in document.ref.doubted and self._stood(document):
            ledger.settle(document, Verdict.KEPT)
            progress.kept(document.key, reason, _DOUBTED)
        else:
            ledger.settle(document, Verdict.SKIPPED)
            progress.skipped(document.key, reason)

    def _not_read(
        self, document: Document, reason: DocumentReason, message: str, *, in_doubt: bool
    ) -> bool:
        """A document has no text. Where that is in doubt, what stands of it stays. Returns whether
        something does."""
        ledger, progress = self._s.ledger, self._s.progress
        is_kept = in_doubt and self._stood(document)
        if is_kept:
            ledger.settle(document, Verdict.KEPT)
            progress.kept(document.key, reason, message)
        else:
            ledger.settle(document, Verdict.FAILED)
            progress.failed(document.key, reason, message)
        return is_kept

    def _stood(self, document: Document) -> bool:
        target = self._s.target
        with self._asking:
            return target is not None and stood(self._s.ledger, target, document, self._s.configs)

    # extract

    def _extract(self) -> None:
        with self._s.make_extractor() as extractor:
            while (document := self._documents.get()) is not None:
                self._extract_one(document, extractor)
        self._extracted.close()

    def _extract_one(self, document: Document, extractor: Extractor) -> None:
        try:
            text = text_of(document.ref, document.body, extractor)
        except NotExtracted as error:
            self._not_read(document, error.reason, str(error), in_doubt=not error.is_final)
            return
        finally:
            discard(document.body)
            document.body = b""
        if isinstance(text, DocumentReason):
            self._skip(document, text)
        else:
            document.text = text
            self._extracted.put(document)

    # chunk

    def _chunk(self) -> None:
        with self._s.make_chunker() as chunker:
            for item in _first_last(self._items(chunker)):
                self._end.put(item)
        self._end.end()

    def _items(self, chunker: Chunker) -> Iterator[Item]:
        """The chunks of all documents, with what stands of them. That is asked for of many chunks
        at once; but what there is does not wait for a document that is not there yet."""
        window: list[tuple[Document, Chunk]] = []
        while True:
            document = self._extracted.get(within=0 if window else None)
            if document is None:
                if not window:
                    return
                yield from self._looked_up(window)
                window = []
                continue
            self._cut(document, chunker)
            for chunk in document.chunked:
                if document.failed:
                    break
                window.append((document, chunk))
                if len(window) == CHUNKS_BOUND:
                    yield from self._looked_up(window)
                    window = []

    def _cut(self, document: Document, chunker: Chunker) -> None:
        document.chunked = chunker.chunk(document.text)
        document.outstanding = len(document.chunked) - 1
        self._s.progress.chunks("produced", len(document.chunked))

    def _looked_up(self, window: list[tuple[Document, Chunk]]) -> Iterator[Item]:
        ids = [record_id(document.base, chunk.n) for document, chunk in window]
        text_shas = [sha256_hex(chunk.text) for _, chunk in window]
        found = self._s.vectors.find(dict(zip(ids, text_shas, strict=True)))
        for (document, _), id_ in zip(window, ids, strict=True):
            # Another Source has come first, since it was asked whose these are.
            if id_ in found.strangers and document.fail():
                self._refuse(document, found.strangers[id_])
        for (document, chunk), id_, text_sha in zip(window, ids, text_shas, strict=True):
            if document.failed:
                continue
            foreign_keys = found.old.get(id_)
            replaces = foreign_keys is not None
            if chunk.n == 0:
                document.stood = replaces
            reusable = found.get(id_, text_sha)
            yield Item(document, chunk, text_sha, replaces, reusable, foreign_keys or frozenset())


def _first_last(items: Iterator[Item]) -> Iterator[Item]:
    """The same, but with chunk 0 of each document behind all its others."""
    for item in items:
        n = item.chunk.n
        if n == 0:
            first = item
        else:
            yield item
        if n == len(item.document.chunked) - 1:
            yield first


def _weight(document: Document) -> int:
    """What a document that was read counts while it waits to be extracted."""
    is_in_memory = isinstance(document.body, bytes)
    return max(size_of(document.body), _DOCUMENT_MIN) if is_in_memory else _FILE_WEIGHT
