"""Vectors that stand already, in the target and in the collection before it, and need not be made
again: of whatever document, for a vector belongs to its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Metadata, Stored
from chroma_sync.pipeline.index.records import Vector, id_parts, record_id

# What tells whether the records of a document belong together.
_TELLING: Final = ("document_state", "version_key", "embedding_config")


@dataclass(frozen=True)
class Reusable:
    """What was made of a text before. `vector` is (dimension,) float32; None where no vectors are
    read. `in_place`: text and vector stand in the target, under the id that they will have."""

    vector: Vector | None
    windows: int
    in_place: bool


def stands_whole(records: Mapping[int, Metadata], embedding_config: str) -> bool:
    """Whether some records of one document, by their numbers, begin with a whole one: all chunks
    of one version and one cut, with vectors that can be compared. More may stand beyond, an old
    tail. A run that broke off may have overwritten all but chunk 0, which goes last."""
    first = records.get(0)
    if first is None or first["embedding_config"] != embedding_config:
        return False
    last = next((n for n in range(1, len(records)) if _differ(records.get(n), first)), 0)
    if last == 0:
        return len(records) == 1
    # The last chunk has a state of its own, and of its own alone.
    states = [record["document_state"] for record in records.values()]
    state, same = records.get(last), ("version_key", "embedding_config")
    return (
        state is not None
        and states.count(state["document_state"]) == 1
        and all(state[name] == first[name] for name in same)
    )


def _differ(record: Metadata | None, first: Metadata) -> bool:
    return record is None or record["document_state"] != first["document_state"]


class Found:
    """What stands of some documents, each named by the hash of its key and its texts by theirs."""

    def __init__(self) -> None:
        self._records: dict[str, dict[int, Metadata]] = {}
        self._ids: set[tuple[str, str]] = set()
        self._texts: dict[tuple[str, str], Stored] = {}
        self._elsewhere: dict[str, Stored] = {}

    def is_old(self, key_sha: str) -> bool:
        """Whether the target has any record of the document."""
        return key_sha in self._records

    def stands(self, key_sha: str, embedding_config: str) -> bool:
        """Whether the document stands whole in some version (see `stands_whole`)."""
        return stands_whole(self._records.get(key_sha, {}), embedding_config)

    def get(self, key_sha: str, n: int, text_sha: str) -> Reusable | None:
        """What stands of chunk `n` of a document."""
        stored = self._texts.get((key_sha, text_sha)) or self._elsewhere.get(text_sha)
        if stored is None:
            return None
        windows = int(stored.metadata.get("embedding_windows") or 1)
        in_place = (record_id(key_sha, n), text_sha) in self._ids
        return Reusable(stored.vector, windows, in_place)

    def add_old(self, stored: Stored) -> None:
        """Take in a record of the target."""
        parts = id_parts(stored.id)
        if parts is not None:
            kept = {name: stored.metadata.get(name) for name in _TELLING}
            self._records.setdefault(_key_sha(stored), {})[parts[1]] = kept

    def lacking(self, wanted: Mapping[str, AbstractSet[str]]) -> set[str]:
        """Of the texts of some documents those that were not found yet."""
        pairs = ((key_sha, text_sha) for key_sha, texts in wanted.items() for text_sha in texts)
        return {pair[1] for pair in pairs if pair not in self._texts} - self._elsewhere.keys()

    def add_elsewhere(self, text_sha: str, stored: Stored) -> None:
        """Take in a record of another document whose vector may be taken over."""
        self._elsewhere[text_sha] = stored

    def add(self, key_sha: str, text_sha: str, stored: Stored, in_target: bool) -> None:
        """Take in a record whose vector may be taken over."""
        self._texts.setdefault((key_sha, text_sha), stored)
        if in_target:
            self._ids.add((stored.id, text_sha))


class Standing:
    """Looks first in the target (None: there is none yet), then in the donor, which is the
    collection that the Source has finished last (None: there is none). Someone may delete the donor
    during the run: then nothing more is taken over from it, and the run goes on."""

    def __init__(
        self,
        target: Collection | None,
        donor: Collection | None,
        embedding_config: str,
        *,
        vectors: bool = True,
    ) -> None:
        # A first run has nothing to ask for.
        self._target = target if target is not None and target.count() > 0 else None
        self._donor = donor
        self._embedding_config = embedding_config
        self._vectors = vectors

    def find(self, wanted: Mapping[str, AbstractSet[str]]) -> Found:
        """Look for the texts of some documents: their hashes, by the hash of the document's key."""
        found = Found()
        if self._target is not None:
            for stored in self._target.of_documents(list(wanted), vectors=self._vectors):
                found.add_old(stored)
                self._add(found, wanted, stored, in_target=True)
        with self._donating() as donor:
            if donor is not None:
                for stored in donor.of_documents(list(wanted), vectors=self._vectors):
                    self._add(found, wanted, stored, in_target=False)
        # Most documents keep their names: these are asked for by text.
        self._find_elsewhere(self._target, found, wanted)
        with self._donating() as donor:
            self._find_elsewhere(donor, found, wanted)
        return found

    def _find_elsewhere(
        self, collection: Collection | None, found: Found, wanted: Mapping[str, AbstractSet[str]]
    ) -> None:
        if collection is not None and (lacking := found.lacking(wanted)):
            config = self._embedding_config
            for text_sha, stored in collection.with_texts(lacking, config, vectors=self._vectors):
                found.add_elsewhere(text_sha, stored)

    @contextmanager
    def _donating(self) -> Iterator[Collection | None]:
        """The donor, if there is one. Whoever deletes it meanwhile ends the block."""
        try:
            yield self._donor
        except Misconfigured as error:
            if error.reason is not Reason.RUN_LOST:
                raise
            self._donor = None

    def _add(
        self,
        found: Found,
        wanted: Mapping[str, AbstractSet[str]],
        stored: Stored,
        in_target: bool,
    ) -> None:
        metadata = stored.metadata
        key_sha, text_sha = _key_sha(stored), metadata.get("content_sha256")
        if (
            text_sha in wanted.get(key_sha, ())
            and metadata.get("embedding_config") == self._embedding_config
        ):
            found.add(key_sha, str(text_sha), stored, in_target)


def _key_sha(stored: Stored) -> str:
    return str(stored.metadata.get("document_key_sha256"))
