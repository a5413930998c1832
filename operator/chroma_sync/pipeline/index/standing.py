"""Vectors that stand already, in the target and in the collection before it, and need not be made
again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Stored
from chroma_sync.pipeline.index.records import Vector, is_first, record_id


@dataclass(frozen=True)
class Reusable:
    """What was made of a text before. `vector` is (dimension,) float32; None where no vectors are
    read. `in_place`: text and vector stand in the target, under the id that they will have."""

    vector: Vector | None
    windows: int
    in_place: bool


class Found:
    """What stands of some documents, each named by the hash of its key and its texts by theirs."""

    def __init__(self) -> None:
        self._old: set[str] = set()
        self._standing: set[str] = set()
        self._ids: set[tuple[str, str]] = set()
        self._texts: dict[tuple[str, str], Stored] = {}

    def is_old(self, key_sha: str) -> bool:
        """Whether the target has any record of the document."""
        return key_sha in self._old

    def stands(self, key_sha: str) -> bool:
        """Whether the target has chunk 0 of the document: it was whole once, in some version."""
        return key_sha in self._standing

    def get(self, key_sha: str, n: int, text_sha: str) -> Reusable | None:
        """What stands of chunk `n` of a document."""
        stored = self._texts.get((key_sha, text_sha))
        if stored is None:
            return None
        windows = int(stored.metadata.get("embedding_windows") or 1)
        in_place = (record_id(key_sha, n), text_sha) in self._ids
        return Reusable(stored.vector, windows, in_place)

    def add_old(self, key_sha: str, id_: str) -> None:
        """Take in that the target has a record of a document, under this id."""
        self._old.add(key_sha)
        if is_first(id_):
            self._standing.add(key_sha)

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
                found.add_old(_key_sha(stored), stored.id)
                self._add(found, wanted, stored, in_target=True)
        for stored in self._donated(list(wanted)):
            self._add(found, wanted, stored, in_target=False)
        return found

    def _donated(self, key_shas: Sequence[str]) -> Iterator[Stored]:
        if self._donor is None:
            return
        try:
            yield from self._donor.of_documents(key_shas, vectors=self._vectors)
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
