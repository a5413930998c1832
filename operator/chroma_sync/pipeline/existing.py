"""Reads into a `Ledger` what stands in the target, at a cost that follows the documents.

Chroma tells ids twenty times as fast as metadata. So the documents of the listing are asked for in
batches, by the `document_state` of their listed version, and no metadata is read at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.chroma import NO_BOUNDS, Collection
from chroma_sync.pipeline.index.records import (
    GAVE_UP_AT,
    Configs,
    document_sha,
    document_state,
    id_parts,
)
from chroma_sync.pipeline.index.standing import Found
from chroma_sync.pipeline.ledger import Ledger

# Documents asked for at once. A single node takes up to 20 ms for a question about 80,000 records,
# however little is asked.
_DOCUMENTS: Final = 1_000


def load_target(ledger: Ledger, collection: Collection, configs: Configs) -> None:
    """Find out which listed documents stand whole. Don't delete meanwhile."""
    for versions in ledger.states(_DOCUMENTS):
        counts: dict[str, int] = {}
        for gave_up in (False, True):
            left = {sha: version for sha, version in versions.items() if sha not in counts}
            counts |= _whole(collection, left, configs, gave_up=gave_up)
        ledger.load_chunk_counts({key_sha: counts.get(key_sha) for key_sha in versions})


def stood(ledger: Ledger, collection: Collection, entry: Ref, configs: Configs) -> bool:
    """Whether a listed document stands whole, in whatever version. The first such question reads
    all ids of the target. Don't delete meanwhile."""
    if not ledger.knows_first:
        ledger.load_first(collection.ids())
    if not ledger.stood(entry):
        return False
    found, key_sha = Found(), document_sha(entry.key)
    for stored in collection.of_documents([key_sha], vectors=False):
        found.add_old(stored)
    return found.stands(key_sha, configs.embedding)


def load_orphans(ledger: Ledger, collection: Collection) -> None:
    """Find out what else stands, after `load_target`. Don't delete meanwhile."""
    if collection.count() == ledger.records():
        return
    for ids in collection.ids():
        ledger.load_ids(ids)


def _whole(
    collection: Collection, versions: Mapping[str, str], configs: Configs, *, gave_up: bool
) -> dict[str, int]:
    """The chunk counts of those documents of which all chunks from 0 to the last one stand in the
    listed version and configuration, cut in one way. More may stand beyond: an old tail."""
    at_least = {GAVE_UP_AT: configs.parser_bytes} if gave_up else NO_BOUNDS

    def standing(key_shas: Iterable[str], *, last: bool) -> Iterator[tuple[str, int]]:
        """The ids that some documents have for their last chunks, or for all others. One may come
        twice, if another pod writes and it moves from page to page."""
        states = [
            document_state(sha, versions[sha], configs, gave_up=gave_up, is_last=last)
            for sha in key_shas
        ]
        for id_ in collection.ids_where("document_state", states, at_least):
            found = id_parts(id_)
            if found is not None and found[0] in versions:
                yield found

    lasts = dict(standing(versions, last=True))
    others = {key_sha: bytearray(n) for key_sha, n in lasts.items() if n > 0}
    for key_sha, n in standing(others, last=False):
        if n < lasts.get(key_sha, 0):
            others[key_sha][n] = 1
    holes = {key_sha for key_sha, there in others.items() if not all(there)}
    return {key_sha: n + 1 for key_sha, n in lasts.items() if key_sha not in holes}
