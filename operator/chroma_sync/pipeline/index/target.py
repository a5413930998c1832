"""Reads into a `TargetState` what stands in the target, at a cost that follows the documents.

Chroma tells ids twenty times as fast as metadata. So the documents of the listing are asked for in
batches, by the `document_state` of their listed version: which records have it? Of the answer only
chunk 0 is read with its metadata, for its `chunk_count`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.records import Configs, document_state, id_parts, record_id
from chroma_sync.pipeline.index.state import TargetState

_DOCUMENTS: Final = 300  # asked for at once


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
    """The chunk counts of those documents of which chunks 0 to `chunk_count` - 1 stand, all of the
    listed version and configuration. More may stand beyond: an old tail."""
    states = [document_state(sha, version, configs.document) for sha, version in versions.items()]
    found = [id_parts(id_) for id_ in collection.ids_where("document_state", states)]
    current = [parts for parts in found if parts is not None and parts[0] in versions]
    firsts = [record_id(key_sha, 0) for key_sha, n in current if n == 0]
    counts: dict[str, int] = {}
    for first in collection.some(firsts):
        counts[first.id.rpartition("-")[0]] = int(first.metadata.get("chunk_count") or 0)
    standing = Counter(key_sha for key_sha, n in current if n < counts.get(key_sha, 0))
    return {key_sha: count for key_sha, count in counts.items() if standing[key_sha] == count > 0}
