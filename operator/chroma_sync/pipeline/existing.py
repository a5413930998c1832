"""Reads into a `Ledger` what stands in the target, at a cost that follows the documents.

Chroma tells ids twenty times as fast as metadata. So the documents of the listing are asked for in
batches, by the `document_state` of their listed version, and no metadata is read at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import Scope
from chroma_sync.pipeline.index.chroma import NO_BOUNDS, Collection, text_metadata
from chroma_sync.pipeline.index.existing_vectors import stands_whole
from chroma_sync.pipeline.index.records import (
    GAVE_UP_AT,
    Configs,
    document_state,
    id_parts,
    record_id,
)
from chroma_sync.pipeline.ledger import Ledger

# Documents asked for at once. A single node takes up to 20 ms for a question about 80,000 records,
# however little is asked.
_DOCUMENTS: Final = 1_000


def load_target(ledger: Ledger, collection: Collection, configs: Configs) -> None:
    """Find out which listed documents stand whole. Don't delete meanwhile."""
    for states in ledger.states(_DOCUMENTS):
        _load(ledger, collection, configs, states)
    for documents in batches(ledger.late_documents(), _DOCUMENTS, lambda _: 1):
        _load_known(ledger, collection, configs, documents)


def load_document(
    ledger: Ledger, collection: Collection, configs: Configs, document: Document
) -> None:
    """Find out whether a document stands whole whose state only opening has told."""
    counts = _load(ledger, collection, configs, {document.key_sha: document.state})
    document.is_whole = document.key_sha in counts


def _load(
    ledger: Ledger, collection: Collection, configs: Configs, states: Mapping[str, str]
) -> dict[str, int]:
    counts = _chunk_counts(collection, configs, states)
    ledger.load_chunk_counts({key_sha: counts.get(key_sha) for key_sha in states})
    return counts


def _load_known(
    ledger: Ledger, collection: Collection, configs: Configs, documents: Sequence[Document]
) -> None:
    """Find out in which versions late documents stand whole: that of their chunk 0, if any."""
    by_id = {record_id(document.key_sha, 0): document for document in documents}
    for first in collection.some(list(by_id)):
        document = by_id[first.id]
        document.known = text_metadata(first.metadata, "version_key")
        document.state = document.ref.state(document.known)
    states = {d.key_sha: d.state for d in documents if d.known is not None}
    counts = _chunk_counts(collection, configs, states)
    for document in documents:
        if document.key_sha not in counts:
            document.known, document.state = None, ""
    ledger.load_known(documents, counts)


def _chunk_counts(
    collection: Collection, configs: Configs, states: Mapping[str, str]
) -> dict[str, int]:
    """The chunk counts of those documents that stand whole, cut in whichever way."""
    counts: dict[str, int] = {}
    for gave_up in (False, True):
        left = {sha: state for sha, state in states.items() if sha not in counts}
        counts |= _whole(collection, left, configs, gave_up=gave_up)
    return counts


def stood(ledger: Ledger, collection: Collection, document: Document, configs: Configs) -> bool:
    """Whether a listed document stands whole, in whatever version. The first such question reads
    all ids of the target. Don't delete meanwhile."""
    if not ledger.knows_first:
        ledger.load_first(collection.ids())
    if not ledger.stood(document):
        return False
    return stands_whole(collection, document.key_sha, configs.embedding)


def load_orphans(ledger: Ledger, collection: Collection, scope: Scope, source: str) -> None:
    """Find out what else stands, after `load_target`, of the documents in a scope that a Source has
    written. Don't delete meanwhile."""
    if collection.count() == ledger.records():
        return
    for ids in collection.ids():
        ledger.load_ids(ids)
    if ledger.unread:
        ledger.spare_unknown()
    for ids in ledger.leftovers(_DOCUMENTS):
        ledger.spare(
            record.id
            for record in collection.some(ids)
            if record.metadata.get("source") != source
            or not scope.covers(text_metadata(record.metadata, "document_key"))
        )


def _whole(
    collection: Collection, states: Mapping[str, str], configs: Configs, *, gave_up: bool
) -> dict[str, int]:
    """The chunk counts of those documents of which all chunks from 0 to the last one stand in the
    given state and configuration, cut in one way. More may stand beyond: an old tail."""
    at_least = {GAVE_UP_AT: configs.parser_bytes} if gave_up else NO_BOUNDS

    def ids_of(key_shas: Iterable[str], *, last: bool) -> Iterator[tuple[str, int]]:
        """The ids that some documents have for their last chunks, or for all others. One may come
        twice, if another pod writes and it moves from page to page."""
        on_records = [
            document_state(sha, states[sha], configs, gave_up=gave_up, is_last=last)
            for sha in key_shas
        ]
        for id_ in collection.ids_where("document_state", on_records, at_least):
            found = id_parts(id_)
            if found is not None and found[0] in states:
                yield found

    lasts = dict(ids_of(states, last=True))
    others = {key_sha: bytearray(n) for key_sha, n in lasts.items() if n > 0}
    for key_sha, n in ids_of(others, last=False):
        if n < lasts.get(key_sha, 0):
            others[key_sha][n] = 1
    holes = {key_sha for key_sha, there in others.items() if not all(there)}
    return {key_sha: n + 1 for key_sha, n in lasts.items() if key_sha not in holes}
