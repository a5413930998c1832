"""Reads into a `Ledger` what stands in the target, at a cost that follows the documents.

Chroma tells ids twenty times as fast as metadata. So the documents of the listing are asked for in
batches, by the `document_state` of their listed version, and no metadata is read at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import OneKey, Scope
from chroma_sync.pipeline.index.chroma import NO_BOUNDS, NO_VALUES, Collection, text_metadata
from chroma_sync.pipeline.index.existing_vectors import holder, stands_whole
from chroma_sync.pipeline.index.records import (
    GAVE_UP_AT,
    Configs,
    document_state,
    id_parts,
    is_first,
    is_hash,
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
    counts = _load(ledger, collection, configs, {document.base: document.state})
    document.is_whole = document.base in counts


def _load(
    ledger: Ledger, collection: Collection, configs: Configs, states: Mapping[str, str]
) -> dict[str, int]:
    counts = _chunk_counts(collection, configs, states)
    ledger.load_chunk_counts({base: counts.get(base) for base in states})
    return counts


def _load_known(
    ledger: Ledger, collection: Collection, configs: Configs, documents: Sequence[Document]
) -> None:
    """Find out in which versions late documents stand whole: that of their chunk 0, if any."""
    by_id = {record_id(document.base, 0): document for document in documents}
    for first in collection.some(list(by_id)):
        document = by_id[first.id]
        document.known = text_metadata(first.metadata, "version_key")
        document.state = document.ref.state(document.known)
    states = {d.base: d.state for d in documents if d.known is not None}
    counts = _chunk_counts(collection, configs, states)
    for document in documents:
        if document.base not in counts:
            document.known, document.state = None, ""
    ledger.load_known(documents, counts)


def _chunk_counts(
    collection: Collection, configs: Configs, states: Mapping[str, str]
) -> dict[str, int]:
    """The chunk counts of those documents that stand whole, cut in whichever way."""
    counts: dict[str, int] = {}
    for gave_up in (False, True):
        left = {base: state for base, state in states.items() if base not in counts}
        counts |= _whole(collection, left, configs, gave_up=gave_up)
    return counts


def load_taken(ledger: Ledger, collection: Collection, configs: Configs, scope: Scope) -> None:
    """Find out, after `load_target`, which documents can't be written, as their ids are another's:
    of another Source, or of a document that this run does not speak for. One that writes just now
    may lack its chunk 0, which comes last."""
    if not configs.shares or collection.count() == 0:
        return
    for bases in ledger.bases_to_write(_DOCUMENTS):
        ids = [record_id(base, n) for base in bases for n in (0, 1)]
        taken: dict[str, str] = {}
        for record in collection.some(ids):
            source, key = (text_metadata(record.metadata, k) for k in ("source", "document_key"))
            if source != configs.source or not scope.covers(key):
                taken[record.id.rpartition("-")[0]] = holder(record)
        ledger.load_taken(taken)


def stood(ledger: Ledger, collection: Collection, document: Document, configs: Configs) -> bool:
    """Whether a listed document stands whole, in whatever version and under whatever ids. The first
    such question reads all ids of the target. Don't delete meanwhile."""
    if not ledger.knows_first:
        ledger.load_first(firsts(collection, configs))
    if not ledger.stood(document):
        return False
    bases = [document.base]
    if configs.shares:
        mine = {"source": configs.source}
        ids = collection.ids_where("document_key_sha256", [document.key_sha], equal=mine)
        bases = [id_.rpartition("-")[0] for id_ in ids if is_first(id_)]
    return any(stands_whole(collection, base, configs.embedding) for base in bases)


def firsts(collection: Collection, configs: Configs) -> Iterator[list[str]]:
    """Ids of the target, in pages, each as it would begin with the hash of its document's key: all
    of them, or, of a collection that is shared, the chunks 0 of the Source."""
    if not configs.shares:
        yield from collection.ids()
        return
    ids = filter(is_first, collection.ids_where("source", [configs.source]))
    for page in batches(ids, _DOCUMENTS, lambda _: 1):
        hashed = [id_ for id_ in page if is_hash(id_.rpartition("-")[0])]
        others = collection.some(list(set(page).difference(hashed)))
        shas = (text_metadata(one.metadata, "document_key_sha256") for one in others)
        yield [*hashed, *(record_id(sha, 0) for sha in shas)]


def load_orphans(ledger: Ledger, collection: Collection, scope: Scope, configs: Configs) -> None:
    """Find out what else stands, after `load_target`, of the documents in a scope that a Source has
    written. Don't delete meanwhile."""
    if collection.count() == ledger.records():
        return
    for ids in _candidates(collection, scope, configs):
        ledger.load_ids(ids, all_ours=configs.shares)
    for ids in ledger.leftovers(_DOCUMENTS):
        records = list(collection.some(ids))
        if configs.shares:
            sha = "document_key_sha256"
            ledger.load_owners((r.id, text_metadata(r.metadata, sha)) for r in records)
        ledger.spare(
            record.id
            for record in records
            if record.metadata.get("source") != configs.source
            or not scope.covers(text_metadata(record.metadata, "document_key"))
        )
    if configs.shares:
        ledger.spare_kept()
    if ledger.unread:
        ledger.spare_unknown()


def _candidates(collection: Collection, scope: Scope, configs: Configs) -> Iterator[Sequence[str]]:
    """The ids that may be left over, in pages. Of a collection that is shared nothing is read but
    what is the Source's, and of one document only its own."""
    if not configs.shares:
        yield from collection.ids()
        return
    one = {"document_key": scope.key} if isinstance(scope, OneKey) else NO_VALUES
    ids = collection.ids_where("source", [configs.source], equal=one)
    yield from batches(ids, _DOCUMENTS, lambda _: 1)


def _whole(
    collection: Collection, states: Mapping[str, str], configs: Configs, *, gave_up: bool
) -> dict[str, int]:
    """The chunk counts of those documents of which all chunks from 0 to the last one stand in the
    given state and configuration, cut in one way. More may stand beyond: an old tail."""
    at_least = {GAVE_UP_AT: configs.parser_bytes} if gave_up else NO_BOUNDS

    def ids_of(bases: Iterable[str], *, last: bool) -> Iterator[tuple[str, int]]:
        """The ids that some documents have for their last chunks, or for all others. One may come
        twice, if another pod writes and it moves from page to page."""
        on_records = [
            document_state(base, states[base], configs, gave_up=gave_up, is_last=last)
            for base in bases
        ]
        for id_ in collection.ids_where("document_state", on_records, at_least):
            found = id_parts(id_)
            if found is not None and found[0] in states:
                yield found

    lasts = dict(ids_of(states, last=True))
    others = {base: bytearray(n) for base, n in lasts.items() if n > 0}
    for base, n in ids_of(others, last=False):
        if n < lasts.get(base, 0):
            others[base][n] = 1
    holes = {base for base, there in others.items() if not all(there)}
    return {base: n + 1 for base, n in lasts.items() if base not in holes}
