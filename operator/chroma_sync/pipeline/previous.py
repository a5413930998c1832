"""The collection that a run's Source has finished last, and what the run may take from it: vectors,
and the golden ones that they are compared by."""

from __future__ import annotations

from typing import Final

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed import Space, Vectors, agree
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.claim import is_finished, is_same_source, last_finished
from chroma_sync.pipeline.index.golden import golden_vectors
from chroma_sync.pipeline.run import Run, identity_of, owner_of

_ADVICE: Final = (
    "Nothing was deleted, and the collection was not marked as finished. Serve the model again "
    "that made it, or choose another spec.targetCollectionName."
)


def last_finished_collection(database: Database, configuration: Configuration) -> str | None:
    """The name of the collection that this Source has finished last, as the database tells it. A
    cluster's operator knows it; a laptop asks here. The run's own target does not count."""
    target = identity_of(configuration).collection
    others = (c for c in database.collections() if c.name != target)
    last = last_finished(others, owner_of(configuration))
    return last.name if last else None


def settled_golden(run: Run, space: Space, target: Collection | None) -> Vectors:
    """The golden vectors `(8, dimension)` of the run's collection: those that it keeps, else those
    of the previous one, else the model's own. So they never drift from collection to collection.

    From here on the model must agree with them. Raises `Misconfigured`, reason EmbeddingMismatch,
    when it does not, or when the collection has lost its own."""
    golden = _kept(run, target) if target is not None else None
    if golden is None:
        measured = space.measured()
        previous = _previous(run)
        theirs = golden_vectors(previous.metadata) if previous is not None else None
        golden = theirs if theirs is not None and agree(theirs, measured) else measured
    space.settle(golden, run.identity.collection, _ADVICE)
    return golden


def reusable_previous(run: Run, golden: Vectors) -> Collection | None:
    """The previous collection, when its vectors are of use in one with these golden vectors."""
    previous = _previous(run)
    theirs = golden_vectors(previous.metadata) if previous is not None else None
    return previous if theirs is not None and agree(theirs, golden) else None


def _kept(run: Run, target: Collection) -> Vectors | None:
    kept = golden_vectors(target.metadata)
    if kept is None and run.hold.must_have_golden(target.metadata, run.configs.embedding):
        message = (
            f"Collection {target.name!r} has lost its golden vectors (embedding_golden_... in its "
            "metadata), so nobody can tell which model made it. It was left untouched. Choose "
            "another spec.targetCollectionName."
        )
        raise Misconfigured(Reason.EMBEDDING_MISMATCH, message)
    return kept


def _previous(run: Run) -> Collection | None:
    """The previous collection, if its vectors were made as this run makes them."""
    name = run.identity.previous_collection
    if name is None or name == run.identity.collection:
        return None
    found = run.database.find(name)
    if (
        found is None
        or not is_finished(found.metadata)
        or not is_same_source(found.metadata, run.claim.owner)
    ):
        return None
    same_vectors = found.metadata.get("embedding_config") == run.configs.embedding
    return found if same_vectors else None
