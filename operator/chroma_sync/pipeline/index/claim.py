"""Whose a collection is, and what it remembers about how it was made. A run of a kind that shares
collections holds one in another way (see `index.shared`).

A collection is claimed by creating it. Only plan and finish write its metadata. Chroma has no
compare-and-set: two runs that claim at the very same moment are told apart by the `run` that stands
in the end, which every worker reads again every few seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Database, Metadata, text_metadata
from chroma_sync.pipeline.index.golden import golden_vectors, kept_golden
from chroma_sync.pipeline.index.records import Scalar

SHARED: Final = "shared"
"""Stands on a collection that belongs to no Source: several may bring documents into it."""

ATTEMPT = "attempt"
"""Who finishes: of two pods of one run, such as one that a lost node still lets live, only the one
that came last may delete and mark."""


@dataclass(frozen=True)
class CollectionOwner:
    """The Source that makes a collection, and what it reads."""

    source: str  # namespace/name
    type: str
    address: str


@dataclass(frozen=True)
class Claim:
    """What a run says of itself on its collection."""

    owner: CollectionOwner
    run: str  # the Invocation's UID
    model: str
    document_prompt: str
    query_prompt: str
    embedding_config: str
    document_config: str
    update: bool = False  # spec.targetPolicy: Update

    def metadata(self, revision: str) -> dict[str, Scalar]:
        """The metadata of a new collection while the run goes on."""
        return {
            "source": self.owner.source,
            "source_type": self.owner.type,
            "source_address": self.owner.address,
            "embedding_model": self.model,
            "embedding_document_prompt": self.document_prompt,
            "embedding_query_prompt": self.query_prompt,
            "embedding_config": self.embedding_config,
            "document_config": self.document_config,
            "run": self.run,
            "revision": revision,
        }


@dataclass(frozen=True)
class Fence:
    """What stands on a collection of the run that holds it: what it brings in, the hashes on its
    records, and which of its pods finishes (empty: none does yet)."""

    run: str
    revision: str
    document_config: str
    embedding_config: str
    attempt: str = ""


class Hold(Protocol):
    """How one run holds its collection. One is made for each step of it."""

    def check(self, collection: Collection, claim: Claim) -> None:
        """Refuse a collection that the run must not write to. Raises `Misconfigured`."""

    def fence(self, metadata: Metadata) -> Fence | None:
        """What stands there of the run that holds the collection, if any does."""

    def is_done(self, metadata: Metadata) -> bool:
        """Whether the run has brought everything in, and said so."""

    def must_have_golden(self, metadata: Metadata, embedding_config: str) -> bool:
        """Whether a collection that lacks its golden vectors has lost them."""

    def claimed(
        self,
        database: Database,
        name: str,
        claim: Claim,
        revision: str,
        golden: Metadata,
        gone: str | None,
    ) -> Collection:
        """Create the collection, or take it up as it stands, and say what the run brings in. A
        retry of the same run keeps the revision that it began with, unless that is the one that is
        `gone`; if all is done already nothing is said. `golden`: what the collection keeps of its
        model (see `index.golden`). Raises what `check` raises."""

    def standing(self, collection: Collection) -> Fence | None:
        """The same as `fence`, after that of this run was written again if another's write has
        undone it. None when it is not there and this step has never seen it."""

    def begin_attempt(self, collection: Collection, attempt: str) -> None:
        """Say which pod finishes, after `standing`."""

    def mark_finished(self, collection: Collection, at: str) -> None:
        """Say that all is done, after `standing`. `at`: the time, as RFC 3339 writes it."""


class OwnHold:
    """A collection that belongs to one Source, and that one run holds at a time."""

    def __init__(self, run: str) -> None:
        self._run = run

    def check(self, collection: Collection, claim: Claim) -> None:
        check_ownership(collection, claim)

    def fence(self, metadata: Metadata) -> Fence:
        return Fence(
            text_metadata(metadata, "run"),
            run_revision(metadata),
            text_metadata(metadata, "document_config"),
            text_metadata(metadata, "embedding_config"),
            text_metadata(metadata, ATTEMPT),
        )

    def is_done(self, metadata: Metadata) -> bool:
        return _is_finished_by(metadata, self._run)

    def must_have_golden(self, metadata: Metadata, embedding_config: str) -> bool:
        # One of an earlier release has none: all its records are written anew.
        return metadata.get("embedding_config") == embedding_config

    def claimed(
        self,
        database: Database,
        name: str,
        claim: Claim,
        revision: str,
        golden: Metadata,
        gone: str | None,
    ) -> Collection:
        collection = database.find(name)
        if collection is None:
            collection = database.create(name, {**claim.metadata(revision), **golden})
        check_ownership(collection, claim)
        if not _is_finished_by(collection.metadata, claim.run):
            begun = begun_revision(self, collection.metadata, claim.run)
            wanted = begun if begun and begun != gone else revision
            kept = _begun(collection.metadata, claim, wanted, golden)
            if collection.metadata != kept:
                collection.replace_metadata(kept)
        return collection

    def standing(self, collection: Collection) -> Fence:
        return self.fence(collection.metadata)

    def begin_attempt(self, collection: Collection, attempt: str) -> None:
        collection.replace_metadata({**collection.metadata, ATTEMPT: attempt})

    def mark_finished(self, collection: Collection, at: str) -> None:
        collection.replace_metadata(_finished(collection.metadata, self._run, at))


def begun_revision(hold: Hold, metadata: Metadata, run: str) -> str | None:
    """The revision that this very run began with, when it stands on the collection."""
    fence = hold.fence(metadata)
    return fence.revision or None if fence is not None and fence.run == run else None


def is_same_source(metadata: Metadata, owner: CollectionOwner) -> bool:
    """Whether a collection was made by this Source, from the address it has now."""
    theirs = (metadata.get("source"), metadata.get("source_type"), metadata.get("source_address"))
    return theirs == (owner.source, owner.type, owner.address)


def is_finished(metadata: Metadata) -> bool:
    """Whether a run has set the finished mark."""
    return metadata.get("finished_ingest") is True


def is_being_updated(metadata: Metadata) -> bool:
    """Whether a run is bringing a finished collection to another state, or broke off doing so."""
    return bool(text_metadata(metadata, "updating_to"))


def is_unfinished(metadata: Metadata) -> bool:
    """Whether a run has claimed the collection, and none has finished it."""
    return bool(text_metadata(metadata, "run")) and not is_finished(metadata)


def _is_finished_by(metadata: Metadata, run: str) -> bool:
    """Whether this very run has set the finished mark."""
    return is_finished(metadata) and metadata.get("finished_by") == run


def _made_by(metadata: Metadata, owner: CollectionOwner) -> str:
    """By whom a collection was made that is not of this Source as it is now."""
    source = text_metadata(metadata, "source")
    if metadata.get(SHARED):
        return "is shared by Sources that each have a part of its records"
    if source != owner.source:
        return f"belongs to Source {source}" if source else "was not made by a Source"
    before, now = text_metadata(metadata, "source_address"), owner.address
    if before == now:
        before, now = text_metadata(metadata, "source_type"), owner.type
    return f"was made by Source {source} from {before}; this run reads {now}"


def check_ownership(collection: Collection, claim: Claim) -> None:
    """Refuse a collection that this run must not write to. Raises `Misconfigured`."""
    metadata = collection.metadata
    if not is_same_source(metadata, claim.owner):
        raise Misconfigured(
            Reason.COLLECTION_OWNED_BY_ANOTHER,
            f"Collection {collection.name!r} {_made_by(metadata, claim.owner)}. It was left "
            "untouched. Choose another spec.targetCollectionName.",
        )
    if is_finished(metadata) and not (claim.update or _is_finished_by(metadata, claim.run)):
        raise Misconfigured(
            Reason.COLLECTION_ALREADY_INGESTED,
            f"Collection {collection.name!r} was finished by an earlier run and was left "
            "untouched. Choose another spec.targetCollectionName, delete the collection, or set "
            "spec.targetPolicy: Update to bring it to the new state.",
        )
    made_with = text_metadata(metadata, "embedding_model")
    if made_with != claim.model:
        raise Misconfigured(
            Reason.COLLECTION_MODEL_MISMATCH,
            f"Collection {collection.name!r} was made with the model {made_with!r}, this run has "
            f"{claim.model!r}. Choose another spec.targetCollectionName.",
        )


def _begun(existing: Metadata, claim: Claim, revision: str, golden: Metadata) -> Metadata:
    """The collection's metadata while the run goes on. One that is updated stays finished, at the
    revision that it had: its readers never see it unmarked. Golden vectors that stand are kept,
    for records may be compared by them."""
    if golden_vectors(existing) is not None:
        golden = kept_golden(existing)
    if not is_finished(existing):
        return {**claim.metadata(revision), **golden}
    before = text_metadata(existing, "revision")
    return {**existing, **claim.metadata(before), **golden, "updating_to": revision}


def run_revision(metadata: Metadata) -> str:
    """The revision that the run which holds a collection brings in; empty when none is told."""
    return text_metadata(metadata, "updating_to") or text_metadata(metadata, "revision")


def _finished(metadata: Metadata, run: str, at: str) -> Metadata:
    """The collection's metadata once a run is done. `at`: the time, as RFC 3339 writes it."""
    passing = ("updating_to", ATTEMPT)
    kept = {key: value for key, value in metadata.items() if key not in passing}
    marks = {"finished_ingest": True, "finished_by": run, "finished_at": at}
    return {**kept, "revision": run_revision(metadata), **marks}


def last_finished(collections: Iterable[Collection], owner: CollectionOwner) -> Collection | None:
    """Of some collections the one that a Source has finished last; None when there is none."""
    ours = [c for c in collections if is_finished(c.metadata) and is_same_source(c.metadata, owner)]
    return max(ours, key=lambda c: text_metadata(c.metadata, "finished_at"), default=None)
