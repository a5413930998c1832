"""Vectors that stand already, in the target and in the collection before it, and need not be made
again: of whatever document, for a vector belongs to its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.api.record_keys import RECORD_KEYS
from chroma_sync.api.shown import visible
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Stored, text_metadata
from chroma_sync.pipeline.index.records import Vector, record_id

_PAGE: Final = 300  # records of a document


@dataclass(frozen=True)
class Reusable:
    """What was made of a text before. `vector` is (dimension,) float32; None where no vectors are
    read. `in_place`: text and vector stand in the target, under the id that they will have."""

    vector: Vector | None
    windows: int
    in_place: bool


@dataclass(frozen=True)
class Found:
    """What stands of some chunks, each named by the id that its record will have and the hash of
    its text. `old` are the ids that have a record in the target, of whatever text, each with those
    keys of its metadata that are none of ours; `strangers` are those that another Source has
    written, each with whose it is."""

    old: dict[str, AbstractSet[str]] = field(default_factory=dict)
    in_place: dict[str, Stored] = field(default_factory=dict)  # by id
    by_text: dict[str, Stored] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)

    def get(self, id_: str, text_sha: str) -> Reusable | None:
        """What stands of a chunk."""
        in_place = self.in_place.get(id_)
        stored = in_place or self.by_text.get(text_sha)
        if stored is None:
            return None
        windows = int(stored.metadata.get("embedding_windows") or 1)
        return Reusable(stored.vector, windows, in_place is not None)


class ExistingVectors:
    """Looks first in the target (None: there is none yet), then in the previous one, which is the
    collection that the Source has finished last (None: there is none). Someone may delete that one
    during the run: then nothing more is taken over from it, and the run goes on."""

    def __init__(
        self,
        target: Collection | None,
        previous: Collection | None,
        embedding_config: str,
        *,
        vectors: bool = True,
        shared_by: str | None = None,
    ) -> None:
        """`shared_by`: the run's Source, where others may write to the target as well."""
        # A first run has nothing to ask for, unless others write meanwhile.
        is_empty = target is None or (shared_by is None and target.count() == 0)
        self._target = None if is_empty else target
        self._source = shared_by
        self._previous = previous
        self._embedding_config = embedding_config
        self._vectors = vectors

    def find(self, texts: Mapping[str, str]) -> Found:
        """Look for some chunks: the hashes of their texts, by the ids that their records will
        have."""
        found = Found()
        if self._target is not None:
            for stored in self._target.some(list(texts), vectors=self._vectors):
                found.old[stored.id] = stored.metadata.keys() - RECORD_KEYS
                if self._source not in (None, stored.metadata.get("source")):
                    found.strangers[stored.id] = holder(stored)
                if self._is_of(stored, texts[stored.id]):
                    found.in_place[stored.id] = found.by_text[texts[stored.id]] = stored
        # Most documents keep their names, and most chunks their numbers.
        with self._while_there() as previous:
            if previous is not None:
                left = [id_ for id_, text in texts.items() if text not in found.by_text]
                for stored in previous.some(left, vectors=self._vectors):
                    if self._is_of(stored, texts[stored.id]):
                        found.by_text[texts[stored.id]] = stored
        self._find_texts(self._target, found, texts)
        with self._while_there() as previous:
            self._find_texts(previous, found, texts)
        return found

    def _find_texts(
        self, collection: Collection | None, found: Found, texts: Mapping[str, str]
    ) -> None:
        """Look for the texts that were not found yet, under whatever id."""
        if collection is not None and (left := set(texts.values()) - found.by_text.keys()):
            config = self._embedding_config
            found.by_text.update(collection.with_texts(left, config, vectors=self._vectors))

    @contextmanager
    def _while_there(self) -> Iterator[Collection | None]:
        """The previous one, if there is one. Whoever deletes it meanwhile ends the block."""
        try:
            yield self._previous
        except Misconfigured as error:
            if error.reason is not Reason.RUN_LOST:
                raise
            self._previous = None

    def _is_of(self, stored: Stored, text_sha: str) -> bool:
        """Whether a record's vector is that of a text."""
        metadata = stored.metadata
        is_alike = metadata.get("embedding_config") == self._embedding_config
        return is_alike and metadata.get("content_sha256") == text_sha


def holder(stored: Stored) -> str:
    """Whose a record is, for people."""
    key, source = (text_metadata(stored.metadata, k) for k in ("document_key", "source"))
    return f"{visible(key)!r} of Source {source}"


def stands_whole(collection: Collection, base: str, embedding_config: str) -> bool:
    """Whether the records of a document under one base begin with a whole one: all chunks of one
    version and one cut, with vectors that can be compared. More may stand beyond, an old tail. A
    run that broke off may have overwritten all but chunk 0, which goes last."""
    records = _from_first(collection, base)
    first = next(records, None)
    if first is None or first.metadata.get("embedding_config") != embedding_config:
        return False
    last = next((record for record in records if _state(record) != _state(first)), None)
    if last is None:
        key_sha = text_metadata(first.metadata, "document_key_sha256")
        return _has_alone(collection, "document_key_sha256", key_sha, first.id)
    # The last chunk has a state of its own, and of its own alone.
    same = ("version_key", "embedding_config")
    return all(last.metadata.get(key) == first.metadata.get(key) for key in same) and _has_alone(
        collection, "document_state", _state(last), last.id
    )


def _from_first(collection: Collection, base: str) -> Iterator[Stored]:
    """The records of a document from chunk 0 to the last before a gap."""
    for start in count(0, _PAGE):
        ids = [record_id(base, n) for n in range(start, start + _PAGE)]
        page = {stored.id: stored for stored in collection.some(ids)}
        for id_ in ids:
            if id_ not in page:
                return
            yield page[id_]


def _state(record: Stored) -> str:
    return text_metadata(record.metadata, "document_state")


def _has_alone(collection: Collection, key: str, value: str, id_: str) -> bool:
    """Whether a value stands on this one record, and on no other with the same base. Another Source
    may have a document of the same key, and this one the same under the base that it had before."""
    base = id_.rpartition("-")[0]
    ids = (i for i in collection.ids_where(key, [value]) if i.rpartition("-")[0] == base)
    return list(islice(ids, 2)) == [id_]
