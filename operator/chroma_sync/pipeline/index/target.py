"""Reads into a `TargetState` what stands in the target, at a cost that follows the documents.

Chroma tells ids twenty times as fast as metadata. So the documents of the listing are asked for in
batches, by the `document_state` of their listed version, and no metadata is read at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.records import Configs, document_state, id_parts
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
    lasts = dict(_standing(collection, versions, configs, last=True))
    standing = Counter(
        key_sha
        for key_sha, n in _standing(collection, versions, configs, last=False)
        if n < lasts.get(key_sha, 0)
    )
    return {key_sha: n + 1 for key_sha, n in lasts.items() if standing[key_sha] == n}


def _standing(
    collection: Collection, versions: Mapping[str, str], configs: Configs, *, last: bool
) -> set[tuple[str, int]]:
    """The last chunks, or all others, that stand of some documents: hash of the key, number."""
    states = [
        document_state(key_sha, version, configs.document, is_last=last)
        for key_sha, version in versions.items()
    ]
    # A set: a pod that is about to end may still write, and an id move from page to page.
    found = {id_parts(id_) for id_ in collection.ids_where("document_state", states)}
    return {parts for parts in found if parts is not None and parts[0] in versions}
