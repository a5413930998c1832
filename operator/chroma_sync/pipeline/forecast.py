"""What a run would do, found out without writing anything to Chroma."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import PurePosixPath
from typing import Final, NamedTuple

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
from chroma_sync.pipeline.index.records import Configs, record_id, sha256_hex
from chroma_sync.pipeline.index.standing import Standing
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.listing import meet_all
from chroma_sync.pipeline.previous import donor_of, settled_golden
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.reading import text_of
from chroma_sync.pipeline.run import start
from chroma_sync.pipeline.seen import Seen
from chroma_sync.pipeline.stream import CHUNKS_BOUND
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


class Cut(NamedTuple):
    """A chunk of a document, and of how many."""

    document: Document
    chunks: int
    chunk: Chunk


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
            for window in batches(cut, CHUNKS_BOUND, lambda _: 1):
                _count(window, standing, seen, result)
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
) -> Iterator[Cut]:
    """The chunks of the documents that would be written. The others are counted here."""

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
                chunked = chunker.chunk(text)
                yield from (Cut(document, len(chunked), chunk) for chunk in chunked)


def _count(window: list[Cut], standing: Standing, seen: Seen, result: Forecast) -> None:
    """Take some chunks that would be written into account."""
    ids = [record_id(one.document.key_sha, one.chunk.n) for one in window]
    text_shas = [sha256_hex(one.chunk.text) for one in window]
    found = standing.find(dict(zip(ids, text_shas, strict=True)))
    for one, id_, text_sha in zip(window, ids, text_shas, strict=True):
        key = one.document.key
        if one.chunk.n == 0:
            result.changed += id_ in found.old
            result.added += id_ not in found.old
            result.largest = nlargest(_LARGEST, [*result.largest, (one.chunks, key)])
        result.chunks += 1
        result.types[_type_of(key, one.chunk)] += 1
        is_new = found.get(id_, text_sha) is None and seen.is_new(bytes.fromhex(text_sha))
        result.texts += is_new


def _type_of(key: str, chunk: Chunk) -> str:
    return chunk.language or PurePosixPath(key).suffix or "no ending"
