"""How documents and ids are written down in a `Ledger`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import id_parts, is_hash

StoredBase = bytes | str
"""A base as the ledger has it: the hash of a key in bytes, which are half as long, all else as
text."""


def stored_base(base: str) -> StoredBase:
    """A base as the ledger has it."""
    return bytes.fromhex(base) if is_hash(base) else base


def named_base(base: StoredBase) -> str:
    """The same as it stands in ids."""
    return base.hex() if isinstance(base, bytes) else base


def base_of(document: Document) -> StoredBase:
    """The base of a document as the ledger has it."""
    own_id = document.ref.own_id
    return bytes.fromhex(document.key_sha) if own_id is None else stored_base(own_id)


def other_key(document: Document) -> bytes | None:
    """The hash of a document's key, where its base is another."""
    return None if document.base == document.key_sha else bytes.fromhex(document.key_sha)


def stored_id(id_: str) -> tuple[StoredBase, int] | None:
    """The base and the chunk's number of an id; None of what can't be one of ours."""
    parts = id_parts(id_)
    return None if parts is None else (stored_base(parts[0]), parts[1])


def stored_ids(ids: Iterable[str]) -> Iterator[tuple[StoredBase, int]]:
    """The same of those ids that can be ours."""
    yield from filter(None, map(stored_id, ids))


def hashed_ids(ids: Iterable[str]) -> Iterator[tuple[StoredBase, int]]:
    """The same of those that begin with the hash of a key."""
    return (parts for parts in stored_ids(ids) if isinstance(parts[0], bytes))


def encoded(ref: Ref) -> str:
    """A document's name as text."""
    return json.dumps(
        [
            *(ref.key, ref.version, ref.size, ref.skip, sorted(ref.despite)),
            *(ref.encoding, sorted(ref.doubted), ref.media_type, ref.own_id, dict(ref.metadata)),
        ]
    )


def decoded(text: str) -> Ref:
    """The same again as it was."""
    key, version, size, skip, despite, encoding, doubted, *more = json.loads(text)
    media_type, own_id, metadata = more
    return Ref(
        *(key, version, size),
        skip=None if skip is None else DocumentReason(skip),
        despite=frozenset(map(DocumentReason, despite)),
        encoding=encoding,
        doubted=frozenset(map(DocumentReason, doubted)),
        media_type=media_type,
        own_id=own_id,
        metadata=metadata,
    )
