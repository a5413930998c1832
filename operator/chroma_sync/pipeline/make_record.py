"""Puts the record of a chunk together, from what the stages before have made of its document."""

from __future__ import annotations

from collections.abc import Iterable

from chroma_sync.api.record_keys import Value
from chroma_sync.pipeline.chunk import Chunk
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.embed import Vector
from chroma_sync.pipeline.index.records import (
    GAVE_UP_AT,
    Configs,
    Record,
    document_state,
    record_id,
    sha256_hex,
)
from chroma_sync.pipeline.text import PART_KEYS

# Keys that a record has or lacks by its content. Chroma merges the metadata of an upsert into what
# stands, so a key that is gone must be sent as None where an older record may have had it.
_SOMETIMES = ("language", "embedding_windows", GAVE_UP_AT, *sorted(PART_KEYS))
# What releases before this one wrote. Nothing reads it.
_FORMER = ("chunk_count", "document_config")


def make_record(
    document: Document,
    chunk: Chunk,
    vector: Vector,
    *,
    windows: int,
    configs: Configs,
    replaces: bool,
    in_place: bool,
    foreign_keys: Iterable[str] = (),
) -> Record:
    """Put one record together. `replaces`: an older record may stand under this id, and has
    `foreign_keys` beside ours; `in_place`: one with this text and vector does."""
    base, own_id = document.base, document.ref.own_id
    gave_up = document.chunked.fallback is not None
    is_last = chunk.n == len(document.chunked) - 1
    state = document_state(base, document.state, configs, gave_up=gave_up, is_last=is_last)
    metadata: dict[str, Value | None] = {}
    if replaces:
        metadata |= dict.fromkeys((*_SOMETIMES, *_FORMER, *foreign_keys))
    metadata |= {
        **{key: value for key, value in document.ref.metadata.items() if value is not None},
        **chunk.metadata,
        "document_key": document.key,
        "document_key_sha256": document.key_sha,
        "version_key": document.version,
        "version_key_sha256": sha256_hex(document.version.encode()),
        "chunk_strategy": chunk.strategy,
        "start_line": chunk.start_line,
        "start_col": chunk.start_col,
        "end_line": chunk.end_line,
        "end_col": chunk.end_col,
        "content_sha256": sha256_hex(chunk.text),
        "source": configs.source,
        "document_state": state,
        "embedding_config": configs.embedding,
    }
    if gave_up:
        metadata[GAVE_UP_AT] = configs.parser_bytes
    if chunk.language is not None:
        metadata["language"] = chunk.language
    if own_id is not None:
        metadata["custom_id"] = own_id
    if windows > 1:
        metadata["embedding_windows"] = windows
    id_, text = record_id(base, chunk.n), chunk.text.decode("utf-8")
    return Record(id_, text, metadata, vector, in_place)
