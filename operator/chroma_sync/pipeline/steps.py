"""The steps of a run: check, plan, work, finish. Pods and laptops call the same functions.

Crashing anywhere, running twice and setting a mark twice all come to the same collection: each step
looks at what stands, and only what is missing is done.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.deletes import delete_orphans, too_many_go
from chroma_sync.pipeline.embed import Model, Vectors
from chroma_sync.pipeline.errors import RevisionGone, Temporary, Unusable
from chroma_sync.pipeline.existing import firsts, load_orphans, load_taken, load_target
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.claim import Hold, begun_revision
from chroma_sync.pipeline.index.existing_vectors import ExistingVectors
from chroma_sync.pipeline.index.golden import golden_metadata
from chroma_sync.pipeline.indexing import Indexing, check_refused
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.listing import meet_all
from chroma_sync.pipeline.previous import reusable_previous, settled_golden
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.run import Run, done, hold_of, resume, revision_of, start
from chroma_sync.pipeline.seal import Seal
from chroma_sync.pipeline.shards import WHOLE, Shard, accept, sealed
from chroma_sync.pipeline.stream import Stream
from chroma_sync.pipeline.toolbox import Toolbox

_EMBED_THREADS_MAX: Final = 8
_ENDED: Final = "Nothing was deleted, and the collection is not marked as finished."
_UNREAD: Final = (
    "{count} documents can't be read now, and may stand under other keys: so none was removed that "
    "the source does not list any more."
)
_DELETES: Final = 300  # records at a time, and up to as many of the last document


def check(tools: Toolbox) -> None:
    """See that a run could work: source, database (opened already) and model."""
    tools.connector.check()
    tools.model.info()


def run(tools: Toolbox) -> None:
    """Plan, work and finish in one process."""
    collection = done(tools)
    if collection is None:
        this = start(tools)
        _plan(tools, this)
        golden = _open(tools, this)
        with tools.ledger() as ledger:
            # Before it is listed: of two pods, the one with the newer list deletes.
            this.begin_attempt()
            _work(tools, this, ledger, golden)
            collection = _finish(tools, this, ledger)
    _tell(tools, collection)


def plan(tools: Toolbox) -> None:
    """Resolve the revision and claim the collection. The later steps find it there."""
    if done(tools) is None:
        _plan(tools, start(tools))


def work(tools: Toolbox, shard: Shard = WHOLE) -> None:
    """Bring a shard's documents into the collection. Deletes nothing."""
    with tools.ledger() as ledger:
        collection = done(tools)
        if collection is None:
            this = resume(tools, shard)
            _work(tools, this, ledger, _open(tools, this))
        else:
            _tell_revision(tools, hold_of(tools), collection)
        tools.progress.seal = str(sealed(ledger))


def finish(tools: Toolbox) -> None:
    """Delete what a run from nothing would not have, and set the finished mark."""
    collection = done(tools)
    if collection is None:
        this = resume(tools)
        _open(tools, this)
        with tools.ledger() as ledger:
            # Before it is listed: of two pods, the one with the newer list deletes.
            this.begin_attempt()
            meet_all(tools, this.shard, ledger, Progress())
            collection = _finish(tools, this, ledger)
    _tell(tools, collection)


def _plan(tools: Toolbox, this: Run, gone: str | None = None) -> None:
    """A revision that the run began with is kept, unless it is the one that is `gone`."""
    identity, existing = this.identity, tools.database.find(this.identity.collection)
    begun = None
    if existing is not None:
        begun = begun_revision(this.hold, existing.metadata, identity.uid)
    revision = begun if begun and begun != gone else tools.connector.resolve()
    if existing is not None:
        this.hold.check(existing, this.claim)
    golden = golden_metadata(settled_golden(this, tools.space, existing))
    claim, name = this.claim, identity.collection
    collection = this.hold.claimed(tools.database, name, claim, revision, golden, gone)
    _tell_revision(tools, this.hold, collection)


def _work(tools: Toolbox, this: Run, ledger: Ledger, golden: Vectors) -> None:
    collection = this.own()
    with this.watched(tools.stop):
        meet_all(tools, this.shard, ledger, tools.progress)
        load_target(ledger, collection, this.configs)
        load_taken(ledger, collection, this.configs, tools.connector.scope())
        previous = reusable_previous(this, golden)
        _bring_in(tools, this, collection, ledger, tools.progress, previous)


def _open(tools: Toolbox, this: Run) -> Vectors:
    """Open the revision that plan has chosen. When it is gone it is planned again: nothing is
    finished yet, and finish brings in what shards have brought from another revision. Returns the
    golden vectors of the collection, with which the model agrees."""
    if this.lacks_plan():
        _plan(tools, this)
    collection = this.planned()
    revision = _tell_revision(tools, this.hold, collection)
    golden = settled_golden(this, tools.space, collection)
    try:
        tools.connector.prepare(revision)
    except RevisionGone:
        _plan(tools, this, gone=revision)
        tools.connector.prepare(_tell_revision(tools, this.hold, this.own()))
    return golden


def _finish(tools: Toolbox, this: Run, ledger: Ledger) -> Collection:
    """Of a list that is in the ledger. Before anything is deleted, every document is asked for once
    more: one that lost a record meanwhile, or that no shard has brought in, is brought in now. So
    only what has a verdict goes."""
    collection = this.own()
    settled_golden(this, tools.space, collection)
    if ledger.revision != _tell_revision(tools, this.hold, collection):
        message = f"Collection {collection.name!r} was planned again meanwhile, by another pod."
        raise Temporary(Reason.RUN_LOST, message)
    _look_again(tools, this, ledger, collection)
    scope = tools.connector.scope()
    load_orphans(ledger, collection, scope, this.configs)
    if ledger.unread:
        tools.progress.note([_UNREAD.format(count=ledger.unread)])
    go, stand = ledger.removed(), ledger.stand()
    if why := too_many_go(tools.configuration, scope, go, stand, _ENDED):
        raise Unusable(Reason.WOULD_REMOVE_TOO_MUCH, why)
    tools.space.check()
    # Paging has ended: from here on it is safe to delete.
    for orphans in batches(ledger.orphans(), _DELETES, lambda one: len(one.ids)):
        tools.stop.check()
        delete_orphans(this.own(), orphans, tools.progress)
    tools.space.check_if_due()  # deleting may take long
    tools.stop.check()
    return this.mark_finished()


def _look_again(tools: Toolbox, this: Run, ledger: Ledger, collection: Collection) -> None:
    """Bring in what does not stand as it should by now: what was lost since this pod judged it, or
    what does not agree with what the pods of work say."""
    load_target(ledger, collection, this.configs)
    ledger.reopen_lost()
    if seals := tools.configuration.seals:
        there = partial(firsts, collection, this.configs)
        accept(ledger, [Seal.parse(seal) for seal in seals], there)
        check_refused(ledger)
    load_taken(ledger, collection, this.configs, tools.connector.scope())
    again = Progress()
    with this.watched(tools.stop):
        _bring_in(tools, this, collection, ledger, again)
    if again.wrote():
        load_target(ledger, collection, this.configs)
    _check_all_stand(collection, ledger)


def _check_all_stand(collection: Collection, ledger: Ledger) -> None:
    """Whatever is not whole by now is deleted next: that must never meet a document that was found
    whole or written whole a moment ago."""
    lost = ledger.disagreeing()
    if lost:
        message = (
            f"{lost} documents of collection {collection.name!r} are not as this run left "
            "them: another program writes into the collection. The run is tried again."
        )
        raise Temporary(Reason.RUN_LOST, message)


def _bring_in(
    tools: Toolbox,
    this: Run,
    collection: Collection,
    ledger: Ledger,
    progress: Progress,
    previous: Collection | None = None,
) -> None:
    """Index the documents that have no verdict yet, but for those that stand already."""
    configs = this.configs
    shared_by = configs.source if configs.shares else None
    vectors = ExistingVectors(collection, previous, configs.embedding, shared_by=shared_by)
    stages = tools.stages(ledger, collection, vectors, this.configs, progress)
    indexing = Indexing(
        stages,
        tools.stop,
        collection=collection,
        write_limit=tools.database.write_limit(),
        model=tools.model,
        space=tools.space,
        embed_threads=_embed_threads(tools.model, this.shard.count),
        document_prompt=tools.configuration.embedding.document_prompt,
        scratch=tools.scratch,
    )
    Stream(stages, indexing, tools.stop).run()
    # It would be a fault of the program, and a collection that lacks one must not be marked.
    if unsettled := ledger.unsettled():
        raise RuntimeError(f"nothing became of {unsettled} documents")


def _embed_threads(model: Model, pods: int) -> int:
    """Requests in flight such that all pods together stay within the server's permits."""
    info = model.info()
    ours = info.max_concurrent_inputs // (info.max_batch * pods)
    return max(1, min(_EMBED_THREADS_MAX, ours))


def _tell_revision(tools: Toolbox, hold: Hold, collection: Collection) -> str:
    tools.progress.revision = revision = revision_of(hold, collection)
    return revision


def _tell(tools: Toolbox, collection: Collection) -> None:
    """What a finished run has come to."""
    _tell_revision(tools, hold_of(tools), collection)
    tools.progress.collection = CollectionStatus(
        name=collection.name, id=collection.id, records=collection.count()
    )
