"""The end of a run's stream: chunks are embedded, and their records written.

    chunks --> embed (several) --records--> write

What a kill can cost is what is embedded and not yet acknowledged: one request of each embedding
thread, `RECORDS_BOUND`, one write, and as many chunks 0 that wait for them.

Chunk 0 of a document is written last, after all its others are acknowledged. Of one whose
chunk 0 stands from an earlier run nothing is written over before all its chunks are embedded: when
one is refused, what stands whole is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.document import Document, Item
from chroma_sync.pipeline.embed import EmbeddingRejected, Model, Space, embed_long
from chroma_sync.pipeline.errors import Unusable
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.existing_vectors import stands_whole
from chroma_sync.pipeline.known_texts import KnownTexts, Made, Turn
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.make_record import make_record
from chroma_sync.pipeline.queues import BoundedQueue, StopSignal
from chroma_sync.pipeline.stream import CHUNKS_BOUND, Stages
from chroma_sync.pipeline.writer import ReadyRecord, Writer

RECORDS_BOUND: Final = 100  # records not yet taken by the writer
# A run that more documents than this are refused to, and more than this share, ends.
REFUSED_MAX: Final = 20
REFUSED_SHARE_MAX: Final = 0.05


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


class Indexing:
    """The embedding and the writing of one stream, into `collection`. Use it once.

    `embed_threads` is how many requests to the model may be under way, `write_limit` the most
    records of one write; `document_prompt` is put before each text that is embedded."""

    def __init__(
        self,
        stages: Stages,
        stop: StopSignal,
        *,
        collection: Collection,
        write_limit: int,
        model: Model,
        space: Space,
        embed_threads: int,
        document_prompt: str,
        scratch: Path,
    ) -> None:
        self._s = stages
        self._collection = collection
        self._write_limit = write_limit
        self._model = model
        self._space = space
        self._document_prompt = document_prompt
        self._scratch = scratch
        self._chunks: BoundedQueue[Item] = BoundedQueue(CHUNKS_BOUND, stop)
        self._records: BoundedQueue[ReadyRecord] = BoundedQueue(
            RECORDS_BOUND, stop, writers=embed_threads
        )
        self._texts: KnownTexts[Item] = KnownTexts(scratch / "texts.sqlite")
        self._embed_threads = embed_threads
        self._lock = threading.Lock()

    def workers(self) -> Sequence[Callable[[], None]]:
        """See `stream.End`."""
        return [self._write, *[self._embed] * self._embed_threads]

    def end(self) -> None:
        """See `stream.End`."""
        self._chunks.close()

    def close(self) -> None:
        """See `stream.End`."""
        self._texts.close()

    def put(self, item: Item) -> None:
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

    def _embed(self) -> None:
        limit = self._model.info().max_batch
        while (first := self._chunks.get()) is not None:
            batch = [first]
            while len(batch) < limit and (item := self._chunks.get(within=0)) is not None:
                batch.append(item)
            self._embed_batch(batch)
        # The last one of them: what the chunk stage reuses it sends before it ends their queue.
        self._records.close()

    def _embed_batch(self, batch: list[Item]) -> None:
        """Embed some chunks. A chunk that the server refuses fails its document; the others of the
        batch are tried again without it."""
        prompt = self._document_prompt
        while batch := [live for item in batch if (live := self._live(item)) is not None]:
            texts = [prompt + item.chunk.text.decode("utf-8") for item in batch]
            try:
                self._space.check_if_due()
                embedded = embed_long(self._model, texts)
            except EmbeddingRejected as rejected:
                for index, message in rejected.refused.items():
                    item = batch[index]
                    for refused in (item, *self._texts.refused(item.text_sha)):
                        self._fail(refused.document, DocumentReason.EMBEDDING_REJECTED, message)
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
        while live is not None and live.document.failed:
            live = self._texts.passed_on(item.text_sha)
        return live

    def _fail(self, document: Document, reason: DocumentReason, message: str) -> None:
        if not document.fail():
            return
        with self._lock:
            self._s.ledger.refused += 1
        progress = self._s.progress
        # What Chroma refuses it refuses in the midst of a write: what stands is not whole by then.
        embedding, collection = self._s.configs.embedding, self._collection
        if (
            reason is DocumentReason.EMBEDDING_REJECTED
            and document.stood
            and stands_whole(collection, document.base, embedding)
        ):
            self._s.ledger.settle(document, Verdict.KEPT)
            progress.kept(document.key, reason, message)
        else:
            self._s.ledger.settle(document, Verdict.FAILED)
            progress.failed(document.key, reason, message)
        check_refused(self._s.ledger, message)

    def _send(self, item: Item, made: Made, in_place: bool = False) -> None:
        document = item.document
        record = make_record(
            *(document, item.chunk, made.vector),
            windows=made.windows,
            configs=self._s.configs,
            replaces=item.replaces,
            in_place=in_place,
            foreign_keys=item.foreign_keys,
        )
        self._records.put(ReadyRecord(document, item.chunk.n, record))

    def _write(self) -> None:
        ledger, progress = self._s.ledger, self._s.progress
        writer = Writer(self._collection, self._write_limit, ledger, progress, self._fail)
        writer.write_all(self._records, self._scratch / "held.sqlite")
