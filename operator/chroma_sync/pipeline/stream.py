"""The stream: fetch, extract, chunk, embed and write, each in threads of its own, joined by bounded
queues.

    fetch --documents--> extract --texts--> chunk --chunks--> embed (several) --records--> write

Memory is set by the bounds below and never by the size of the source, and a slow stage slows the
ones before it. What a kill can cost is what is embedded and not yet acknowledged: one request of
each embedding thread, `RECORDS_BOUND`, one write, and as many chunks 0 that wait for them.

Every document ends with exactly one verdict in the ledger. Chunk 0 of a document is written last,
after all its others are acknowledged. Of one that stands whole from an earlier run nothing is
written over before all its chunks are embedded: when one is refused, what stands is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.chunk import Chunk, Chunker
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.embed import EmbeddingRejected, Model, Space, embed_long
from chroma_sync.pipeline.errors import Stopped, Unusable
from chroma_sync.pipeline.existing import load_document, stood
from chroma_sync.pipeline.extract import Extractor, NotExtracted
from chroma_sync.pipeline.fetch import Connector, Kept, Opened, Ref, Skipped, Unchanged
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.records import Configs, record_id, sha256_hex
from chroma_sync.pipeline.index.standing import Reusable, Standing, stands_whole
from chroma_sync.pipeline.known_texts import KnownTexts, Made, Turn
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.make_record import make_record
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import BoundedQueue, StopSignal
from chroma_sync.pipeline.reading import text_of
from chroma_sync.pipeline.writer import Embedded, Pending, Writer

DOCUMENTS_BOUND = 8 * 1024 * 1024  # bytes of documents read and not yet extracted
TEXTS_BOUND = 8 * 1024 * 1024  # bytes of texts not yet chunked
_DOCUMENT_MIN = 64 * 1024  # what the smallest one counts, for all that comes with it
CHUNKS_BOUND = 256  # chunks not yet taken by an embedding thread
RECORDS_BOUND = 100  # records not yet taken by the writer
# A run that more documents than this are refused to, and more than this share, ends.
REFUSED_MAX = 20
REFUSED_SHARE_MAX = 0.05
_DOUBTED = "It would be skipped, but what could say otherwise is not known: what stands stays."


@dataclass(frozen=True)
class Item:
    """One chunk of a pending document, and what stands of it already. `replaces`: a record stands
    under its id."""

    pending: Pending
    chunk: Chunk
    text_sha: str
    replaces: bool
    reusable: Reusable | None


@dataclass(frozen=True)
class Stages:
    """What the stream is made of."""

    connector: Connector
    make_extractor: Callable[[], Extractor]
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


def check_refused(ledger: Ledger, last: str = "") -> None:
    """Raise `Unusable` when so many documents are refused that it is hardly their fault; `last` is
    why the last one was."""
    refused, listed = ledger.refused, ledger.candidates()
    if refused > REFUSED_MAX and refused > listed * REFUSED_SHARE_MAX:
        with_what = f", the last with: {last}" if last else ""
        raise Unusable(
            Reason.TOO_MANY_REFUSED,
            f"{refused} of {listed} documents are refused{with_what}. Nothing was deleted, and the "
            "collection is not marked as finished. See what stands between the worker and its "
            "servers, such as a firewall, or leave these documents out of the Source.",
        )


class Stream:
    """One pass of documents through the stages. Use it once."""

    def __init__(self, stages: Stages, stop: StopSignal) -> None:
        self._s = stages
        self._stop = stop
        self._documents: BoundedQueue[Document] = BoundedQueue(
            DOCUMENTS_BOUND, stop, lambda document: max(len(document.data), _DOCUMENT_MIN)
        )
        self._extracted: BoundedQueue[Document] = BoundedQueue(
            TEXTS_BOUND, stop, lambda document: max(len(document.text.data), _DOCUMENT_MIN)
        )
        self._chunks: BoundedQueue[Item] = BoundedQueue(CHUNKS_BOUND, stop)
        self._records: BoundedQueue[Embedded] = BoundedQueue(RECORDS_BOUND, stop)
        self._texts: KnownTexts[Item] = KnownTexts(stages.scratch / "texts.sqlite")
        self._embedders_left = stages.embed_threads
        self._lock = threading.Lock()
        self._asking = threading.Lock()  # fetch and extract ask what stood

    def run(self) -> None:
        """Let all documents of the ledger flow through that have no verdict yet. Raises the first
        error of any stage; `Stopped` when the run was stopped from outside."""
        embedders = range(self._s.embed_threads)
        targets = [
            self._fetch,
            self._extract,
            self._chunk,
            self._write,
            *(self._embed for _ in embedders),
        ]
        threads = [threading.Thread(target=self._guarded, args=(t,)) for t in targets]
        with closing(self._texts):
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
        for document in self._s.ledger.open_documents():
            self._stop.check()
            if document.ref.skip is not None:
                self._skip(document, document.ref.skip)
            elif document.is_whole and not document.is_late:
                self._unchanged(document)
            else:
                self._open(document)
        self._documents.close()

    def _open(self, document: Document) -> None:
        match self._s.connector.open(document.ref, document.known):
            case Opened(ref, data):
                if not self._completed(document, ref):
                    self._skip(document, DocumentReason.DUPLICATE)
                elif document.is_whole:
                    self._unchanged(document)
                else:
                    # What else opening has told, such as the size of one that was listed without.
                    document.ref = replace(ref, size=len(data))
                    document.data = data
                    self._documents.put(document)
            case Unchanged():
                self._completed(document, replace(document.ref, version=document.known))
                self._unchanged(document)
            case Skipped(reason):
                self._skip(document, reason)
            case Kept(reason, message):
                self._not_read(document, reason, message, in_doubt=True)

    def _completed(self, document: Document, ref: Ref) -> bool:
        """Take in what opening has told. False when that is a document which was met before."""
        if not document.is_late:
            if (ref.key, ref.version) != (document.ref.key, document.ref.version):
                raise RuntimeError(f"{document.key!r} was listed by another key or version")
            return True
        was_known = document.known is not None
        renamed = ref.key != document.key
        if not self._s.ledger.complete(document, ref):
            return False
        if not document.is_whole and (was_known or renamed):
            load_document(self._s.ledger, self._s.collection, self._s.configs, document)
        return True

    def _unchanged(self, document: Document) -> None:
        self._s.ledger.settle(document, Verdict.UNCHANGED)
        self._s.progress.unchanged(document.key)

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
    ) -> None:
        """A document has no text. Where that is in doubt, what stands of it stays."""
        ledger, progress = self._s.ledger, self._s.progress
        if in_doubt and self._stood(document):
            ledger.settle(document, Verdict.KEPT)
            progress.kept(document.key, reason, message)
        else:
            ledger.settle(document, Verdict.FAILED)
            progress.failed(document.key, reason, message)

    def _stood(self, document: Document) -> bool:
        with self._asking:
            return stood(self._s.ledger, self._s.collection, document, self._s.configs)

    # extract

    def _extract(self) -> None:
        with self._s.make_extractor() as extractor:
            while (document := self._documents.get()) is not None:
                self._extract_one(document, extractor)
        self._extracted.close()

    def _extract_one(self, document: Document, extractor: Extractor) -> None:
        try:
            text = text_of(document.ref, document.data, extractor)
        except NotExtracted as error:
            self._not_read(document, error.reason, str(error), in_doubt=not error.is_final)
            return
        if isinstance(text, DocumentReason):
            self._skip(document, text)
        else:
            document.data, document.text = b"", text
            self._extracted.put(document)

    # chunk

    def _chunk(self) -> None:
        with self._s.make_chunker() as chunker:
            for item in _first_last(self._items(chunker)):
                self._hand_on(item)
        self._chunks.close()

    def _items(self, chunker: Chunker) -> Iterator[Item]:
        """The chunks of all documents, with what stands of them. That is asked for of many chunks
        at once; but what there is does not wait for a document that is not there yet."""
        window: list[tuple[Pending, Chunk]] = []
        while True:
            document = self._extracted.get(within=0 if window else None)
            if document is None:
                if not window:
                    return
                yield from self._looked_up(window)
                window = []
                continue
            pending = self._pending(document, chunker)
            for chunk in pending.chunked:
                if pending.failed:
                    break
                window.append((pending, chunk))
                if len(window) == CHUNKS_BOUND:
                    yield from self._looked_up(window)
                    window = []

    def _pending(self, document: Document, chunker: Chunker) -> Pending:
        chunked = chunker.chunk(document.text)
        self._s.progress.chunks("produced", len(chunked))
        return Pending(document, chunked, outstanding=len(chunked) - 1)

    def _looked_up(self, window: list[tuple[Pending, Chunk]]) -> Iterator[Item]:
        ids = [record_id(pending.document.key_sha, chunk.n) for pending, chunk in window]
        text_shas = [sha256_hex(chunk.text) for _, chunk in window]
        found = self._s.standing.find(dict(zip(ids, text_shas, strict=True)))
        for (pending, chunk), id_, text_sha in zip(window, ids, text_shas, strict=True):
            replaces = id_ in found.old
            if chunk.n == 0:
                pending.stood = replaces
            yield Item(pending, chunk, text_sha, replaces, found.get(id_, text_sha))

    def _hand_on(self, item: Item) -> None:
        """Send a chunk to be embedded, or straight on with a vector that stands already."""
        reusable = item.reusable
        if reusable is not None and reusable.vector is not None:
            self._reuse(item, Made(reusable.vector, reusable.windows), reusable.in_place)
            return
        match self._texts.turn(item.text_sha, item):
            case Made() as made:
                self._reuse(item, made)
            case Turn.MAKE:
                self._chunks.put(item)

    def _reuse(self, item: Item, made: Made, in_place: bool = False) -> None:
        self._s.progress.chunks("reused", 1)
        self._send(item, made, in_place)

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
        while batch := [live for item in batch if (live := self._live(item)) is not None]:
            texts = [prompt + item.chunk.text.decode("utf-8") for item in batch]
            try:
                self._s.space.check_if_due()
                embedded = embed_long(self._s.model, texts)
            except EmbeddingRejected as rejected:
                for index, message in rejected.refused.items():
                    item = batch[index]
                    for refused in (item, *self._texts.refused(item.text_sha)):
                        self._fail(refused.pending, DocumentReason.EMBEDDING_REJECTED, message)
                continue
            self._s.progress.chunks("embedded", len(batch))
            for item, vector, windows in zip(
                batch, embedded.vectors, embedded.windows, strict=True
            ):
                made = Made(vector, windows)
                self._send(item, made)
                for same in self._texts.made(item.text_sha, made):
                    self._reuse(same, made)
            return

    def _live(self, item: Item) -> Item | None:
        """A chunk to embed: this one, or if its document has failed one that waits for its text."""
        live: Item | None = item
        while live is not None and live.pending.failed:
            live = self._texts.passed_on(item.text_sha)
        return live

    def _fail(self, pending: Pending, reason: DocumentReason, message: str) -> None:
        with self._lock:
            if pending.failed:
                return
            pending.failed = True
            self._s.ledger.refused += 1
        document, progress = pending.document, self._s.progress
        # What Chroma refuses it refuses in the midst of a write: what stands is not whole by then.
        embedding, collection = self._s.configs.embedding, self._s.collection
        if (
            reason is DocumentReason.EMBEDDING_REJECTED
            and pending.stood
            and stands_whole(collection, document.key_sha, embedding)
        ):
            self._s.ledger.settle(document, Verdict.KEPT)
            progress.kept(document.key, reason, message)
        else:
            self._s.ledger.settle(document, Verdict.FAILED)
            progress.failed(document.key, reason, message)
        check_refused(self._s.ledger, message)

    def _send(self, item: Item, made: Made, in_place: bool = False) -> None:
        pending = item.pending
        record = make_record(
            *(pending.document, pending.chunked, item.chunk, made.vector),
            windows=made.windows,
            configs=self._s.configs,
            replaces=item.replaces,
            in_place=in_place,
        )
        self._records.put(Embedded(pending, item.chunk.n, record))

    # write

    def _write(self) -> None:
        s = self._s
        writer = Writer(s.collection, s.write_limit, s.ledger, s.progress, self._fail)
        writer.write_all(self._records, s.scratch / "held.sqlite")


def _first_last(items: Iterator[Item]) -> Iterator[Item]:
    """The same, but with chunk 0 of each document behind all its others."""
    for item in items:
        n = item.chunk.n
        if n == 0:
            first = item
        else:
            yield item
        if n == len(item.pending.chunked) - 1:
            yield first
