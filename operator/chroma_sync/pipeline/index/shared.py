"""A collection that belongs to no Source: runs of several write to it at once, each the records of
its own Source.

Each Source has a key of the collection's metadata, its fence, where its last run says what it
brings in and which of its pods finishes. Chroma replaces a collection's metadata as a whole and has
no compare-and-set: of two runs that write at the same moment one loses what it wrote, so that its
fence is missing, or an older one has come back. Neither tells of another run of its Source. Fences
have an order, by when their runs were admitted, and only a newer one stops a run; otherwise it
writes its own again, each time that it looks. All else that stands there is the same whoever writes
it.

A fence stays when its run is done, until the next run of the Source. Were it taken away, a pod that
a lost node still lets live would find nothing, write its own again and delete by an old list. It
also tells a second pod of a run that there is nothing left to do. A hosted Chroma takes few keys:
of more than `FENCES_MAX` Sources the oldest fences go, first those of runs that are done.

What remains is a pod of an older run that a lost node still lets live, and that looks just when the
fence of the newer one is undone: it goes on until that one looks again, or, if that is done by then
or its fence went for want of room, to its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Database, Metadata, text_metadata
from chroma_sync.pipeline.index.claim import SHARED, Claim, Fence
from chroma_sync.pipeline.index.records import Scalar, short_hash

FENCES_MAX: Final = 12
_PREFIX: Final = "run."
_TEXTS: Final = ("run", "revision", "document_config", "embedding_config", "attempt", "source")
_ORDERS: Final = 1000  # that a run may take before the next one's, admitted a moment later
_WRITES_MAX: Final = 5  # of one fence, while others write theirs at the same moment


@dataclass(frozen=True)
class SourceFence(Fence):
    """Of two fences of a Source the one with the higher `order` is the newer one: each is above
    what it is written over. `source`, namespace/name, is for people."""

    source: str = ""
    order: int = 0
    is_done: bool = False


class SharedHold:
    """See `claim.Hold`. `admitted` is when the run was, in milliseconds. It remembers what it has
    written, or found newer of its run, last."""

    def __init__(self, database: Database, source: str, run: str, admitted: int) -> None:
        self._database = database
        self._source = source
        self._run = run
        self._least = admitted * _ORDERS
        self._key = f"{_PREFIX}{short_hash(source)}"
        self._last: SourceFence | None = None

    def check(self, collection: Collection, claim: Claim) -> None:
        metadata = collection.metadata
        if metadata.get(SHARED) is not True:
            source = text_metadata(metadata, "source")
            made = f"belongs to Source {source} alone" if source else "was not made by a Source"
            raise Misconfigured(
                Reason.COLLECTION_OWNED_BY_ANOTHER,
                f"Collection {collection.name!r} {made}. It was left untouched. Choose another "
                "collection.",
            )
        for what, key, ours in (
            ("model", "embedding_model", claim.model),
            ("document prompt", "embedding_document_prompt", claim.document_prompt),
        ):
            theirs = text_metadata(metadata, key)
            if theirs != ours:
                raise Misconfigured(
                    Reason.COLLECTION_MODEL_MISMATCH,
                    f"Collection {collection.name!r} was made with the {what} {theirs!r}, this run "
                    f"has {ours!r}. Choose another collection.",
                )

    def fence(self, metadata: Metadata) -> SourceFence | None:
        return _parsed(metadata.get(self._key))

    def is_done(self, metadata: Metadata) -> bool:
        fence = self.fence(metadata)
        return fence is not None and fence.run == self._run and fence.is_done

    def must_have_golden(self, metadata: Metadata, embedding_config: str) -> bool:
        return True

    def claimed(
        self,
        database: Database,
        name: str,
        claim: Claim,
        revision: str,
        golden: Metadata,
        gone: str | None,
    ) -> Collection:
        collection = database.find(name) or database.create(name, {**_made(claim), **golden})
        self.check(collection, claim)
        if not self.is_done(collection.metadata):
            configs = claim.document_config, claim.embedding_config
            fence = SourceFence(self._run, revision, *configs, source=self._source)
            self._write(collection, fence)
        return collection

    def standing(self, collection: Collection) -> SourceFence | None:
        found, last = self.fence(collection.metadata), self._last
        least = self._least if last is None else last.order
        if found is None or found.order < least:
            if last is not None:
                self._put(collection, last)
            return last
        if found.run == self._run:
            self._last = found
        return found

    def begin_attempt(self, collection: Collection, attempt: str) -> None:
        self._write(collection, replace(self._mine(), attempt=attempt))

    def mark_finished(self, collection: Collection, at: str) -> None:
        self._write(collection, replace(self._mine(), is_done=True))

    def _mine(self) -> SourceFence:
        if self._last is None:
            raise RuntimeError("a run changes its fence before it has looked at it")
        return self._last

    def _write(self, collection: Collection, fence: SourceFence) -> None:
        before = self.fence(collection.metadata)
        above = before.order + 1 if before is not None else 0
        self._last = replace(fence, order=max(self._least, fence.order, above))
        self._put(collection, self._last)

    def _put(self, collection: Collection, fence: SourceFence) -> None:
        """Write a fence, and see that it stands. If another run of the Source is newer it is for
        the caller to find out."""
        now = collection
        for _ in range(_WRITES_MAX):
            collection.replace_metadata(_with(now.metadata, self._key, fence))
            found = self._database.find(collection.name)
            if found is None or found.id != collection.id:
                return
            stands = self.fence(found.metadata)
            if stands is not None and stands.order >= fence.order:
                return
            now = found


def _made(claim: Claim) -> dict[str, Scalar]:
    """What stands on a collection from its beginning to its end, whoever made it."""
    return {
        SHARED: True,
        "embedding_model": claim.model,
        "embedding_document_prompt": claim.document_prompt,
        "embedding_query_prompt": claim.query_prompt,
    }


def _with(metadata: Metadata, key: str, fence: SourceFence) -> Metadata:
    """The metadata with this fence, and with no more than there is room for."""
    others = {k: f for k, f in _fences(metadata) if k != key}
    newest = sorted(others, key=lambda k: (others[k].is_done, -others[k].order))
    gone = newest[FENCES_MAX - 1 :]
    kept = {k: value for k, value in metadata.items() if k not in gone}
    return {**kept, key: json.dumps(asdict(fence))}


def _fences(metadata: Metadata) -> Iterator[tuple[str, SourceFence]]:
    for key, value in metadata.items():
        if key.startswith(_PREFIX) and (fence := _parsed(value)) is not None:
            yield key, fence


def _parsed(value: object) -> SourceFence | None:
    """None for what is no fence."""
    try:
        said = json.loads(value) if isinstance(value, str) else {}
        texts = {key: str(said[key]) for key in _TEXTS}
        return SourceFence(**texts, order=int(said["order"]), is_done=bool(said["is_done"]))
    except (ValueError, TypeError, LookupError):
        return None
