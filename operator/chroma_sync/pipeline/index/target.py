"""Reads into a `TargetState` what stands in the target, at a cost that follows the documents.

Chroma tells ids twenty times as fast as metadata. So the documents of the listing are asked for in
batches, by the `document_state` of their listed version, and no metadata is read at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.records import (
    LAST,
    MIDDLE,
    Configs,
    document_state,
    first_of,
    id_parts,
)
from chroma_sync.pipeline.index.state import TargetState

# Documents asked for at once. A single node takes up to 20 ms for a question about 80,000 records,
# however little is asked.
_DOCUMENTS: Final = 1_000


def load_target(state: TargetState, collection: Collection, configs: Configs) -> None:
    """Find out which listed documents stand whole. Don't delete meanwhile."""
    for versions in state.listed(_DOCUMENTS):
        whole = _whole(collection, versions, configs)
        state.load_chunk_counts({key_sha: whole.get(key_sha) for key_sha in versions})


def load_leftovers(state: TargetState, collection: Collection) -> None:
    """Find out what else stands, after `load_target`. Don't delete meanwhile."""
    if collection.count() == state.standing():
        return
    for ids in collection.ids():
        state.load_ids(ids)


def _whole(collection: Collection, versions: Mapping[str, str], configs: Configs) -> dict[str, int]:
    """The chunk counts of those documents of which all chunks from 0 to the last one stand in the
    listed version and configuration. More may stand beyond: an old tail."""

    def standing(parts: Mapping[str, str]) -> Iterator[tuple[str, int]]:
        """The ids that some documents, by the hash of their keys, have for a part of theirs. One
        may come twice, if another pod writes and it moves from page to page."""
        states = [
            document_state(key_sha, versions[key_sha], configs.document, part)
            for key_sha, part in parts.items()
        ]
        for id_ in collection.ids_where("document_state", states):
            found = id_parts(id_)
            if found is not None and found[0] in parts:
                yield found

    lasts = set(standing(dict.fromkeys(versions, LAST)))
    counts = {key_sha: 1 for key_sha, n in lasts if n == 0}
    while lasts:
        # Of each document one: mostly there is no other.
        candidates = dict(lasts)
        lasts -= candidates.items()
        firsts = {key_sha: first_of(n + 1) for key_sha, n in candidates.items() if n > 0}
        counts |= {key_sha: candidates[key_sha] + 1 for key_sha, n in standing(firsts) if n == 0}
    middles = {key_sha: bytearray(count) for key_sha, count in counts.items() if count > 2}
    for key_sha, n in standing(dict.fromkeys(middles, MIDDLE)):
        if 0 < n < counts[key_sha] - 1:
            middles[key_sha][n] = 1
    holes = {key_sha for key_sha, there in middles.items() if there.count(1) != len(there) - 2}
    return {key_sha: count for key_sha, count in counts.items() if key_sha not in holes}
