"""Whose a collection is, and what it remembers about how it was made.

A collection is claimed by creating it. Only plan and finish write its metadata. Chroma has no
compare-and-set: two runs that claim at the very same moment are told apart by the `run` that stands
in the end, which every worker reads again every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Database, Metadata, text_metadata
from chroma_sync.pipeline.index.records import Scalar


@dataclass(frozen=True)
class Claim:
    """What a run says of itself on its collection."""

    source: str  # namespace/name
    source_type: str
    source_address: str
    run: str  # the Invocation's UID
    model: str
    document_prompt: str
    query_prompt: str
    embedding_config: str
    document_config: str

    def metadata(self, revision: str) -> dict[str, Scalar]:
        """The collection's metadata while the run goes on."""
        return {
            "source": self.source,
            "source_type": self.source_type,
            "source_address": self.source_address,
            "embedding_model": self.model,
            "embedding_document_prompt": self.document_prompt,
            "embedding_query_prompt": self.query_prompt,
            "embedding_config": self.embedding_config,
            "document_config": self.document_config,
            "run": self.run,
            "revision": revision,
        }


def is_finished_by(collection: Collection, run: str) -> bool:
    """Whether this very run has set the finished mark."""
    metadata = collection.metadata
    return bool(metadata.get("finished_ingest")) and metadata.get("finished_by") == run


def check_ownership(collection: Collection, claim: Claim) -> None:
    """Refuse a collection that this run must not write to. Raises `Misconfigured`."""
    metadata = collection.metadata
    theirs = (metadata.get("source"), metadata.get("source_type"), metadata.get("source_address"))
    if theirs != (claim.source, claim.source_type, claim.source_address):
        owner = text_metadata(metadata, "source")
        whose = f"belongs to Source {owner}" if owner else "was not made by a Source"
        raise Misconfigured(
            Reason.COLLECTION_OWNED_BY_ANOTHER,
            f"Collection {collection.name!r} {whose}; it was left untouched. "
            "Choose another spec.targetCollectionName.",
        )
    if metadata.get("finished_ingest") is True and not is_finished_by(collection, claim.run):
        raise Misconfigured(
            Reason.COLLECTION_ALREADY_INGESTED,
            f"Collection {collection.name!r} was finished by an earlier run and was left "
            "untouched. Choose another spec.targetCollectionName, or delete the collection.",
        )
    made_with = text_metadata(metadata, "embedding_model")
    if made_with != claim.model:
        raise Misconfigured(
            Reason.COLLECTION_MODEL_MISMATCH,
            f"Collection {collection.name!r} was made with the model {made_with!r}, this run has "
            f"{claim.model!r}. Choose another spec.targetCollectionName.",
        )


def claimed(database: Database, name: str, claim: Claim, revision: str) -> Collection:
    """Create the collection, or take up an unfinished one of the same Source.

    A retry of the same run keeps the revision that it began with, which then stands in the
    collection's metadata. Raises `Misconfigured` when the collection is another's or finished."""
    collection = database.find(name)
    if collection is None:
        collection = database.create(name, claim.metadata(revision))
    check_ownership(collection, claim)
    if not is_finished_by(collection, claim.run):
        kept = claim.metadata(begun_revision(collection.metadata, claim.run) or revision)
        if collection.metadata != kept:
            collection.replace_metadata(kept)
    return collection


def begun_revision(metadata: Metadata, run: str) -> str | None:
    """The revision that this very run began with, when it stands on the collection."""
    return text_metadata(metadata, "revision") or None if metadata.get("run") == run else None


def finished(metadata: Metadata, run: str) -> Metadata:
    """The collection's metadata once a run is done."""
    return {**metadata, "finished_ingest": True, "finished_by": run}
