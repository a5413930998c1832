"""The collection that a run's Source has finished last, and what the run may take from it: vectors,
and the golden ones that they are compared by."""

from __future__ import annotations

from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed import Vectors, agree
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.claim import is_finished, is_same_source, last_finished
from chroma_sync.pipeline.index.golden import golden_vectors
from chroma_sync.pipeline.toolbox import Toolbox, claim_of, identity_of

_ADVICE: Final = (
    "Nothing was deleted, and the collection was not marked as finished. Serve the model again "
    "that made it, or choose another spec.targetCollectionName."
)


def last_finished_collection(tools: Toolbox) -> str | None:
    """The name of the collection that this Source has finished last, as the database tells it. A
    cluster's operator knows it; a laptop asks here. The run's own target does not count."""
    identity = identity_of(tools)
    others = (c for c in tools.database.collections() if c.name != identity.collection)
    last = last_finished(others, claim_of(tools, identity))
    return last.name if last else None


def settled_golden(tools: Toolbox, target: Collection | None) -> Vectors:
    """The golden vectors `(8, dimension)` of the run's collection: those that it keeps, else those
    of the previous one, else the model's own. So they never drift from collection to collection.

    From here on the model must agree with them. Raises `Misconfigured`, reason EmbeddingMismatch,
    when it does not, or when the collection has lost its own."""
    name = identity_of(tools).collection
    golden = _kept(tools, target) if target is not None else None
    if golden is None:
        measured = tools.space.measured()
        previous = _previous(tools, name)
        theirs = golden_vectors(previous.metadata) if previous is not None else None
        golden = theirs if theirs is not None and agree(theirs, measured) else measured
    tools.space.settle(golden, name, _ADVICE)
    return golden


def donor_of(tools: Toolbox, target: str, golden: Vectors) -> Collection | None:
    """The previous collection, when its vectors are of use in one with these golden vectors."""
    previous = _previous(tools, target)
    theirs = golden_vectors(previous.metadata) if previous is not None else None
    return previous if theirs is not None and agree(theirs, golden) else None


def _kept(tools: Toolbox, target: Collection) -> Vectors | None:
    kept = golden_vectors(target.metadata)
    if kept is None and target.metadata.get("embedding_config") == tools.configs.embedding:
        message = (
            f"Collection {target.name!r} has lost its golden vectors (embedding_golden_... in its "
            "metadata), so nobody can tell which model made it. It was left untouched. Choose "
            "another spec.targetCollectionName."
        )
        raise Misconfigured(Reason.EMBEDDING_MISMATCH, message)
    # One of an earlier release has none: all its records are written anew.
    return kept


def _previous(tools: Toolbox, target: str) -> Collection | None:
    """The previous collection, if its vectors were made as this run makes them."""
    identity = identity_of(tools)
    claim = claim_of(tools, identity)
    if identity.previous_collection in (None, target):
        return None
    found = tools.database.find(identity.previous_collection or "")
    if (
        found is None
        or not is_finished(found.metadata)
        or not is_same_source(found.metadata, claim)
    ):
        return None
    same_vectors = found.metadata.get("embedding_config") == claim.embedding_config
    return found if same_vectors else None
