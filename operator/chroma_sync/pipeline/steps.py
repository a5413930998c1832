"""The steps of a run: check, plan, work, finish. Pods and laptops call the same functions.

Crashing anywhere, running twice and setting a mark twice all come to the same collection: each step
looks at what stands, and only what is missing is done.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from chroma_sync.api.configuration import RunIdentity
from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.errors import Misconfigured, RevisionGone, Temporary, Unusable
from chroma_sync.pipeline.existing import load_orphans, load_target
from chroma_sync.pipeline.index.chroma import Collection, text_metadata
from chroma_sync.pipeline.index.claim import (
    ATTEMPT,
    begun_revision,
    check_ownership,
    claimed,
    finished,
    is_finished_by,
    run_revision,
)
from chroma_sync.pipeline.index.golden import golden_metadata
from chroma_sync.pipeline.index.records import is_first
from chroma_sync.pipeline.index.standing import Standing
from chroma_sync.pipeline.ledger import Ledger, Orphan, shard_of
from chroma_sync.pipeline.previous import donor_of, settled_golden
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.seal import Seal
from chroma_sync.pipeline.stream import Stages, Stream, check_refused
from chroma_sync.pipeline.toolbox import Toolbox, claim_of, identity_of

_OWNER_SECONDS = 3.0
_EMBED_THREADS_MAX = 8
_ENDED = "Nothing was deleted, and the collection is not marked as finished."
_DELETES = 300  # records at a time, and up to as many of the last document


def run(tools: Toolbox) -> None:
    """Plan, work and finish in one process."""
    plan(tools)
    with opened_ledger(tools) as ledger:
        _work(tools, ledger)
        _finish(tools, ledger)


def plan(tools: Toolbox, gone: str | None = None) -> None:
    """Resolve the revision and claim the collection. The later steps find it there. A revision that
    the run began with is kept, unless it is the one that is `gone`."""
    identity = identity_of(tools)
    standing = tools.database.find(identity.collection)
    if standing is not None and is_finished_by(standing, identity.uid):
        # A pod died between the mark and its exit: nothing else is asked for any more.
        return
    begun = begun_revision(standing.metadata, identity.uid) if standing is not None else None
    revision = begun if begun and begun != gone else tools.connector.resolve()
    claim = claim_of(tools, identity)
    if standing is not None:
        check_ownership(standing, claim)
    golden = golden_metadata(settled_golden(tools, standing))
    collection = claimed(tools.database, identity.collection, claim, revision, golden, gone)
    _revision(tools, collection)


def work(tools: Toolbox) -> None:
    """Bring this shard's documents into the collection. Deletes nothing."""
    with opened_ledger(tools) as ledger:
        _work(tools, ledger)
        tools.progress.seal = str(ledger.seal())


def finish(tools: Toolbox) -> None:
    """Delete what a run from nothing would not have, and set the finished mark."""
    with opened_ledger(tools) as ledger:
        _finish(tools, ledger)


def _work(tools: Toolbox, ledger: Ledger) -> None:
    identity = identity_of(tools)
    collection = _own_collection(tools, identity)
    revision = _revision(tools, collection)
    if is_finished_by(collection, identity.uid):
        return
    _same_configs(tools, collection)
    golden = settled_golden(tools, collection)
    _open(tools, revision)
    with _watched(tools, identity):
        meet_all(tools, ledger, tools.progress)
        load_target(ledger, collection, tools.configs)
        donor = donor_of(tools, collection.name, golden)
        _bring_in(tools, collection, ledger, tools.progress, donor)


def _finish(tools: Toolbox, ledger: Ledger) -> None:
    """Before anything is deleted, every document is asked for once more: one that lost a record
    meanwhile, or that no shard has brought in, is brought in now. So only what has a verdict goes.
    """
    identity = identity_of(tools)
    collection = _own_collection(tools, identity)
    revision = _revision(tools, collection)
    if not is_finished_by(collection, identity.uid):
        _same_configs(tools, collection)
        settled_golden(tools, collection)
        if not ledger.revision:
            # First, for it may plan the run again.
            _open(tools, revision)
            revision = _revision(tools, _own_collection(tools, identity))
        attempt, collection = uuid.uuid4().hex, _own_collection(tools, identity)
        collection.replace_metadata({**collection.metadata, ATTEMPT: attempt})
        _look_again(tools, ledger, collection, revision)
        load_orphans(ledger, collection)
        if why := too_many_go(tools, ledger.removed(), ledger.stand(), _ENDED):
            raise Unusable(Reason.WOULD_REMOVE_TOO_MUCH, why)
        tools.space.check()
        # Paging has ended: from here on it is safe to delete.
        for orphans in batches(ledger.orphans(), _DELETES, lambda one: len(one.ids)):
            tools.stop.check()
            _remove(tools, _own_collection(tools, identity, attempt), orphans)
        tools.space.check_if_due()  # deleting may take long
        tools.stop.check()
        collection = _own_collection(tools, identity, attempt)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        collection.replace_metadata(finished(collection.metadata, identity.uid, now))
    tools.progress.collection = _status(collection)


def _look_again(tools: Toolbox, ledger: Ledger, collection: Collection, revision: str) -> None:
    """Bring in what does not stand as it should by now. In a pod of its own finish judges only what
    does not agree with what the pods of work say; in the same one, only what was lost since."""
    if not ledger.revision:
        meet_all(tools, ledger, Progress())
        load_target(ledger, collection, tools.configs)
        if seals := tools.configuration.seals:
            ledger.accept([Seal.parse(seal) for seal in seals], collection.ids)
            check_refused(ledger)
    elif ledger.revision != revision:
        message = f"Collection {collection.name!r} was planned again meanwhile, by another pod."
        raise Temporary(Reason.RUN_LOST, message)
    else:
        load_target(ledger, collection, tools.configs)
        ledger.reopen_lost()
    with _watched(tools, identity_of(tools)):
        again = Progress()
        _bring_in(tools, collection, ledger, again)
    if again.wrote():
        load_target(ledger, collection, tools.configs)
    _check_all_stand(collection, ledger)


def meet_all(tools: Toolbox, ledger: Ledger, progress: Progress) -> None:
    """List the source, once: its documents, or those of this shard."""
    index, count = tools.shard
    with closing(tools.connector.refs()) as entries:
        for entry in entries:
            tools.stop.check()
            if shard_of(entry, count) != index:
                continue
            progress.discovered()
            if not ledger.meet(entry):
                progress.skipped(entry.key, DocumentReason.DUPLICATE)
    tools.progress.note(tools.connector.notes())
    ledger.revision = tools.progress.revision or ""


def _open(tools: Toolbox, revision: str) -> None:
    """Open the revision of the run. When it is gone it is planned again: nothing is finished yet,
    and finish brings in what shards have brought from another revision."""
    try:
        tools.connector.prepare(revision)
    except RevisionGone:
        plan(tools, gone=revision)
        tools.connector.prepare(_revision(tools, _own_collection(tools, identity_of(tools))))


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


def too_many_go(tools: Toolbox, go: int, stand: int, then: str) -> str:
    """Why a run must not remove so many of the documents that stand; empty when it may. A source
    that lists little, for whatever reason, must not empty a collection. `then`: what became of it,
    or would."""
    identity, limit = identity_of(tools), tools.configuration.max_delete_percent
    if identity.allow_mass_delete or go * 100 <= stand * limit:
        return ""
    return (
        f"This run would remove {go} of the {stand} documents in collection "
        f"{identity.collection!r}, and spec.maxDeletePercent of the Source allows {limit} %. "
        f"{then} See whether what the Source lists is complete: its address, its globs, its "
        "credentials. If it is, set spec.allowMassDelete: true on an Invocation."
    )


def _remove(tools: Toolbox, collection: Collection, orphans: list[Orphan]) -> None:
    """Delete what is left over. A document that goes loses its chunk 0, one that only lost its tail
    does not."""
    firsts = [(i, one.is_gone) for one in orphans for i in one.ids if is_first(i)]
    gone = list(collection.some([id_ for id_, is_gone in firsts if is_gone]))
    collection.delete([id_ for one in orphans for id_ in one.ids])
    names = [text_metadata(record.metadata, "document_key") for record in gone]
    tools.progress.removed(len(firsts), names)


def _bring_in(
    tools: Toolbox,
    collection: Collection,
    ledger: Ledger,
    progress: Progress,
    donor: Collection | None = None,
) -> None:
    """Index the documents that have no verdict yet, but for those that stand already."""
    stages = Stages(
        read=tools.connector.read,
        make_extractor=tools.extractor,
        make_chunker=tools.chunker,
        model=tools.model,
        space=tools.space,
        embed_threads=_embed_threads(tools),
        collection=collection,
        write_limit=tools.database.write_limit(),
        ledger=ledger,
        standing=Standing(collection, donor, tools.configs.embedding),
        configs=tools.configs,
        document_prompt=tools.configuration.embedding.document_prompt,
        progress=progress,
        scratch=tools.scratch,
    )
    Stream(stages, tools.stop).run()
    # It would be a fault of the program, and a collection that lacks one must not be marked.
    if unsettled := ledger.unsettled():
        raise RuntimeError(f"nothing became of {unsettled} documents")


def check(tools: Toolbox) -> None:
    """See that a run could work: source, database (opened already) and model."""
    tools.connector.check()
    tools.model.info()


def _own_collection(tools: Toolbox, identity: RunIdentity, attempt: str = "") -> Collection:
    """The target, which must still be this run's. Raises `Misconfigured` when it is not, and
    `Temporary` when another pod of the run finishes it by now, in another attempt."""
    collection = tools.database.find(identity.collection)
    if collection is None or collection.metadata.get("run") != identity.uid:
        what = "was deleted" if collection is None else "was taken over by another run"
        message = f"Collection {identity.collection!r} {what}; this run has stopped."
        raise Misconfigured(Reason.RUN_LOST, message)
    if attempt and collection.metadata.get(ATTEMPT) != attempt:
        message = f"Another pod of this run finishes collection {identity.collection!r} by now."
        raise Temporary(Reason.RUN_LOST, message)
    return collection


def _revision(tools: Toolbox, collection: Collection) -> str:
    """What plan has written on the collection. It is told from here on."""
    revision = run_revision(collection.metadata)
    if not revision:
        message = f"Collection {collection.name!r} has lost its metadata; this run has stopped."
        raise Misconfigured(Reason.RUN_LOST, message)
    tools.progress.revision = revision
    return revision


def _same_configs(tools: Toolbox, collection: Collection) -> None:
    """Stop when this pod would make other records than plan said: its image or the model's server
    was changed in mid-run. Without this, finish would take every document for a leftover."""
    metadata, configs = collection.metadata, tools.configs
    said = metadata.get("document_config"), metadata.get("embedding_config")
    if said != (configs.document, configs.embedding):
        message = (
            f"The worker's release or the model's server was changed while collection "
            f"{collection.name!r} was being written. Apply the Invocation again."
        )
        raise Misconfigured(Reason.COLLECTION_MODEL_MISMATCH, message)


def opened_ledger(tools: Toolbox) -> closing[Ledger]:
    """An empty ledger on the scratch folder, closed at the end of the block."""
    return closing(Ledger(tools.scratch / "ledger.sqlite"))


@contextmanager
def _watched(tools: Toolbox, identity: RunIdentity) -> Iterator[None]:
    """Meanwhile look every few seconds whether the collection is still ours and unfinished."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_OWNER_SECONDS) and not tools.stop.is_set():
            try:
                if is_finished_by(_own_collection(tools, identity), identity.uid):
                    message = f"Another pod of this run has finished {identity.collection!r}."
                    raise Temporary(Reason.RUN_LOST, message)
            except Exception as error:
                tools.stop.stop(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _embed_threads(tools: Toolbox) -> int:
    """Requests in flight such that all pods together stay within the server's permits."""
    info = tools.model.info()
    ours = info.max_concurrent_inputs // (info.max_batch * tools.shard[1])
    return max(1, min(_EMBED_THREADS_MAX, ours))


def _status(collection: Collection) -> CollectionStatus:
    return CollectionStatus(name=collection.name, id=collection.id, records=collection.count())
