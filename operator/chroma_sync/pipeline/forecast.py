"""What a run would do, found out without writing anything to Chroma."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import PurePosixPath
from typing import Final

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.chunk import Chunk, Chunker
from chroma_sync.pipeline.deletes import too_many_go
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.existing import load_orphans, load_target, stood
from chroma_sync.pipeline.extract import Extractor, NotExtracted
from chroma_sync.pipeline.fetch import Opened
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.claim import begun_revision, check_ownership
from chroma_sync.pipeline.index.records import Configs
from chroma_sync.pipeline.index.standing import Standing
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.listing import meet_all
from chroma_sync.pipeline.previous import donor_of, settled_golden
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.reading import text_of
from chroma_sync.pipeline.run import start
from chroma_sync.pipeline.seen import Seen
from chroma_sync.pipeline.stream import CHUNKS_BOUND, ChunkedDocument
from chroma_sync.pipeline.toolbox import Toolbox

_LARGEST: Final = 10
_WOULD_END: Final = (
    f"It would end with {Reason.WOULD_REMOVE_TOO_MUCH.value}, and nothing would be deleted."
)


@dataclass
class Forecast:
    """What would become of the documents, and what it would take. `chunks` are written, and of
    them `texts` are embedded; the others take their vectors over: `types` counts them by language
    or by the ending of the file's name, and `largest` names the documents that have most of them.
    `skipped` and `failed` count by reason; `kept` would be one or the other too, but that is in
    doubt and they stand. `notes` are those of the source."""

    revision: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    texts: int = 0
    types: Counter[str] = field(default_factory=Counter)
    largest: list[tuple[int, str]] = field(default_factory=list)
    notes: Sequence[str] = ()
    refused: str = ""  # why the run would end before it removes anything


def forecast(tools: Toolbox) -> Forecast:
    """Look at everything as a run would. Raises what the run would raise before its first write."""
    run = start(tools)
    target = tools.database.find(run.identity.collection)
    begun = None
    if target is not None:
        check_ownership(target, run.claim)
        begun = begun_revision(target.metadata, run.identity.uid)
    result = Forecast(begun or tools.connector.resolve())
    tools.connector.prepare(result.revision)
    donor = donor_of(run, settled_golden(run, tools.space, target))
    standing = Standing(target, donor, run.configs.embedding, vectors=False)
    with tools.ledger() as ledger:
        meet_all(tools, run.shard, ledger, Progress())
        result.notes = tools.connector.notes()
        if target is not None:
            load_target(ledger, target, run.configs)
            load_orphans(ledger, target)
        with (
            tools.extractor() as extractor,
            tools.chunker() as chunker,
            closing(Seen(tools.scratch / "seen.sqlite")) as seen,
        ):
            cut = _cut(tools, run.configs, ledger, target, extractor, chunker, result)
            for documents in batches(cut, CHUNKS_BOUND, lambda one: len(one.text_shas)):
                _count(documents, standing, seen, result)
        result.removed = ledger.removed()
    stand = result.added + result.changed + result.unchanged + result.kept + result.removed
    result.refused = too_many_go(tools.configuration, result.removed, stand, _WOULD_END)
    return result


def _cut(
    tools: Toolbox,
    configs: Configs,
    ledger: Ledger,
    target: Collection | None,
    extractor: Extractor,
    chunker: Chunker,
    result: Forecast,
) -> Iterator[ChunkedDocument]:
    """The documents that would be written. The others are counted here."""

    def is_kept(document: Document, *, in_doubt: bool) -> bool:
        kept = in_doubt and target is not None and stood(ledger, target, document, configs)
        result.kept += kept
        return kept

    def skip(document: Document, reason: DocumentReason) -> None:
        if not is_kept(document, in_doubt=reason in document.ref.doubted):
            result.skipped[reason.value] += 1
            ledger.settle(document, Verdict.SKIPPED)

    def fail(document: Document, error: NotExtracted) -> None:
        if not is_kept(document, in_doubt=not error.is_final):
            result.failed[error.reason.value] += 1
            ledger.settle(document, Verdict.FAILED)

    for document in ledger.open_documents():
        tools.stop.check()
        if document.ref.skip is not None:
            skip(document, document.ref.skip)
        elif document.is_whole:
            result.unchanged += 1
        else:
            opened = tools.connector.open(document.ref, document.known)
            if not isinstance(opened, Opened):
                continue
            try:
                text = text_of(document.ref, opened.data, extractor)
            except NotExtracted as error:
                fail(document, error)
                continue
            if isinstance(text, DocumentReason):
                skip(document, text)
            else:
                yield ChunkedDocument(document, chunker.chunk(text))


def _count(
    documents: list[ChunkedDocument], standing: Standing, seen: Seen, result: Forecast
) -> None:
    """Take some documents that would be written into account."""
    found = standing.find({d.key_sha: set(d.text_shas) for d in documents})
    for document in documents:
        is_old = found.is_old(document.key_sha)
        result.changed += is_old
        result.added += not is_old
        chunks, key = len(document.text_shas), document.document.key
        result.chunks += chunks
        result.types.update(_type_of(key, chunk) for chunk in document.chunked.chunks)
        result.largest = nlargest(_LARGEST, [*result.largest, (chunks, key)])
        result.texts += sum(
            found.get(document.key_sha, n, text_sha) is None
            and seen.is_new(bytes.fromhex(text_sha))
            for n, text_sha in enumerate(document.text_shas)
        )


def _type_of(key: str, chunk: Chunk) -> str:
    return chunk.language or PurePosixPath(key).suffix or "no ending"
