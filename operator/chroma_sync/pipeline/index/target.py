"""Reads what the target holds into a `TargetState`, at a cost that follows what has changed.

Chroma tells ids twenty times as fast as metadata. So all ids are paged, then the documents of the
listing are asked for in batches: which records have the `document_state` of the listed version?
Only chunk 0, for its `chunk_count`, and the records of documents that are not whole are read with
their metadata. What is then known of a document that is whole is what its metadata would say, but
for what its vectors were made from, which nobody asks of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chroma_sync.pipeline.index.chroma import Collection, Stored
from chroma_sync.pipeline.index.records import Configs, document_state, is_first, record_id
from chroma_sync.pipeline.index.state import TargetState, is_unchanged

_DOCUMENTS: Final = 300  # asked for at once


def load_target(state: TargetState, collection: Collection, configs: Configs) -> None:
    """Take in the target, once the listing was taken in. Don't delete meanwhile."""
    for ids in collection.ids():
        state.load_ids(ids)
    for versions in state.listed_standing(_DOCUMENTS):
        state.load(_current(collection, versions, configs))
        changed: list[str] = []
        for key_sha, version in versions.items():
            known = state.known_of(key_sha)
            if not is_unchanged(known, version, configs.document):
                changed += (record_id(key_sha, record.n) for record in known)
        state.load(collection.some(changed))


def _current(
    collection: Collection, versions: dict[str, str], configs: Configs
) -> Iterator[Stored]:
    """The records of some documents that are up to date, with as much of their metadata as it takes
    to see whether the documents are whole."""
    states = [document_state(sha, version, configs.document) for sha, version in versions.items()]
    ids = collection.ids_where("document_state", states)
    yield from collection.some([id_ for id_ in ids if is_first(id_)])
    for id_ in ids:
        if not is_first(id_):
            version = versions.get(id_.rpartition("-")[0])
            yield Stored(id_, {"version_key": version, "document_config": configs.document})
