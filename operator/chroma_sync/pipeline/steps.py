"""The steps of a run: check, plan, work, finish. Pods and laptops call the same functions.

Crashing anywhere, running twice and setting a mark twice all come to the same collection: each step
looks at what stands, and only what is missing is done.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chroma_sync.api.configuration import RunIdentity
from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.errors import Misconfigured, RevisionGone, Temporary
from chroma_sync.pipeline.fetch import Entry
from chroma_sync.pipeline.index.chroma import Collection, text_metadata
from chroma_sync.pipeline.index.claim import (
    begun_revision,
    check_ownership,
    claimed,
    finished,
    is_finished_by,
    run_revision,
)
from chroma_sync.pipeline.index.golden import golden_metadata
from chroma_sync.pipeline.index.records import document_sha, is_first
from chroma_sync.pipeline.index.standing import Standing
from chroma_sync.pipeline.index.state import Leftover, TargetState
from chroma_sync.pipeline.index.target import load_leftovers, load_target
from chroma_sync.pipeline.previous import donor_of, settled_golden
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.stream import Stages, Stream
from chroma_sync.pipeline.toolbox import Toolbox, claim_of, identity_of

_OWNER_SECONDS = 3.0
_EMBED_THREADS_MAX = 8
_DELETES = 300  # records at a time, and up to as many of the last document


def run(tools: Toolbox) -> None:
    """Plan, work and finish in one process."""
    plan(tools)
    work(tools)
    finish(tools)


def plan(tools: Toolbox, gone: str | None = None) -> None:
    """Resolve the revision and claim the collection. The later steps find it there. A revision that
    the run began with is kept, unless it is the one that is `gone`."""
    identity = identity_of(tools)
    standing = tools.database.find(identity.collection)
    if standing is not None and is_finished_by(standing, identity.uid):
        # A pod died between the mark and its exit: nothing else is asked for any more.
        return
    begun = begun_revision(standing.metadata, identity.uid) if standing is not None else None
    revision = begun if begun and begun != gone else tools.source.resolve()
    claim = claim_of(tools, identity)
    if standing is not None:
        check_ownership(standing, claim)
    golden = golden_metadata(settled_golden(tools, standing))
    collection = claimed(tools.database, identity.collection, claim, revision, golden, gone)
    _revision(tools, collection)


def work(tools: Toolbox) -> None:
    """Bring this shard's documents into the collection. Deletes nothing."""
    identity = identity_of(tools)
    collection = _own_collection(tools, identity)
    revision = _revision(tools, collection)
    if is_finished_by(collection, identity.uid):
        return
    _same_configs(tools, collection)
    golden = settled_golden(tools, collection)
    _open(tools, revision)
    with target_state(tools.scratch / "work.sqlite") as state, _watched(tools, identity):
        state.load_listing(listed(_mine(tools.source.entries(), tools.shard)))
        tools.progress.note(tools.source.notes())
        load_target(state, collection, tools.configs)
        donor = donor_of(tools, collection.name, golden)
        _bring_in(tools, collection, state, tools.progress, donor)


def finish(tools: Toolbox) -> None:
    """Delete what a run from nothing would not have, and set the finished mark.

    Before that, every document is looked at once more: one that lost a record meanwhile, or that
    no shard has brought in, is brought in now. So only what has a verdict is deleted afterwards.
    """
    identity = identity_of(tools)
    collection = _own_collection(tools, identity)
    revision = _revision(tools, collection)
    if not is_finished_by(collection, identity.uid):
        _same_configs(tools, collection)
        settled_golden(tools, collection)
        _open(tools, revision)
        with target_state(tools.scratch / "finish.sqlite") as state:
            state.load_listing(listed(tools.source.entries()))
            tools.progress.note(tools.source.notes())
            load_target(state, collection, tools.configs)
            with _watched(tools, identity):
                again = Progress()
                _bring_in(tools, collection, state, again)
            if again.wrote():
                load_target(state, collection, tools.configs)
            _check_all_stand(collection, state, again)
            load_leftovers(state, collection)
            tools.space.check()
            # Paging has ended: from here on it is safe to delete.
            for leftovers in batches(state.leftovers(), _DELETES, lambda one: len(one.ids)):
                tools.stop.check()
                _remove(tools, _own_collection(tools, identity), leftovers)
        tools.space.check_if_due()  # deleting may take long
        tools.stop.check()
        collection = _own_collection(tools, identity)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        collection.replace_metadata(finished(collection.metadata, identity.uid, now))
    tools.progress.collection = _status(collection)


def _open(tools: Toolbox, revision: str) -> None:
    """Open the revision of the run. When it is gone it is planned again: nothing is finished yet,
    and finish brings in what shards have brought from another revision."""
    try:
        tools.source.open(revision)
    except RevisionGone:
        plan(tools, gone=revision)
        tools.source.open(_revision(tools, _own_collection(tools, identity_of(tools))))


def _check_all_stand(collection: Collection, state: TargetState, progress: Progress) -> None:
    """Whatever is not whole by now is deleted next: that must never meet a document that was found
    whole or written whole a moment ago."""
    lost = progress.stand() - state.whole()
    if lost != 0:
        message = (
            f"{abs(lost)} documents of collection {collection.name!r} are not as this run left "
            "them: another program writes into the collection. The run is tried again."
        )
        raise Temporary(Reason.RUN_LOST, message)


def _remove(tools: Toolbox, collection: Collection, leftovers: list[Leftover]) -> None:
    """Delete what is left over. A document that goes loses its chunk 0, one that only lost its tail
    does not."""
    firsts = [(i, one.is_gone) for one in leftovers for i in one.ids if is_first(i)]
    gone = list(collection.some([id_ for id_, is_gone in firsts if is_gone]))
    collection.delete([id_ for one in leftovers for id_ in one.ids])
    names = [text_metadata(record.metadata, "document_key") for record in gone]
    tools.progress.removed(len(firsts), names)


def _bring_in(
    tools: Toolbox,
    collection: Collection,
    state: TargetState,
    progress: Progress,
    donor: Collection | None = None,
) -> None:
    """Index this shard's documents, but for those that `state` knows to stand already."""
    standing = Standing(collection, donor, tools.configs.embedding)
    stages = _stages(tools, collection, state, progress, standing)
    # Closed here, and not when memory is tidied up: a listing holds a process and files.
    with closing(_mine(tools.source.entries(), tools.shard)) as entries:
        Stream(stages, tools.stop).run(entries)
    progress.check_all_accounted_for()


def _stages(
    tools: Toolbox,
    collection: Collection,
    state: TargetState,
    progress: Progress,
    standing: Standing,
) -> Stages:
    configuration = tools.configuration
    return Stages(
        read=tools.source.read,
        make_chunker=tools.chunker,
        model=tools.model,
        space=tools.space,
        embed_threads=_embed_threads(tools),
        collection=collection,
        write_limit=tools.database.write_limit(),
        state=state,
        standing=standing,
        configs=tools.configs,
        document_prompt=configuration.embedding.document_prompt,
        progress=progress,
        scratch=tools.scratch,
    )


def check(tools: Toolbox) -> None:
    """See that a run could work: repository, database (opened already) and model."""
    tools.source.check()
    tools.model.info()


def _own_collection(tools: Toolbox, identity: RunIdentity) -> Collection:
    """The target, which must still be this run's. Raises `Misconfigured` when it is not."""
    collection = tools.database.find(identity.collection)
    if collection is None or collection.metadata.get("run") != identity.uid:
        what = "was deleted" if collection is None else "was taken over by another run"
        message = f"Collection {identity.collection!r} {what}; this run has stopped."
        raise Misconfigured(Reason.RUN_LOST, message)
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


@contextmanager
def target_state(path: Path) -> Iterator[TargetState]:
    """An empty state in a file, closed at the end of the block."""
    state = TargetState(path)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def _watched(tools: Toolbox, identity: RunIdentity) -> Iterator[None]:
    """Meanwhile look every few seconds whether the collection is still this run's."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_OWNER_SECONDS) and not tools.stop.is_set():
            try:
                _own_collection(tools, identity)
            except Exception as error:
                tools.stop.stop(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _mine(entries: Iterator[Entry], shard: tuple[int, int]) -> Generator[Entry, None, None]:
    """The entries whose hash falls to this shard. The choice never depends on the listing."""
    index, count = shard
    return (e for e in entries if int(document_sha(e.key)[:8], 16) % count == index)


def listed(entries: Iterator[Entry]) -> Iterator[tuple[str, str]]:
    """Keys and states. What the listing alone skips has no records in a run from nothing, but may
    have some that stay where that is in doubt."""
    return ((e.key, e.state) for e in entries if e.skip is None or e.skip in e.doubted)


def _embed_threads(tools: Toolbox) -> int:
    """Requests in flight such that all pods together stay within the server's permits."""
    info = tools.model.info()
    ours = info.max_concurrent_inputs // (info.max_batch * tools.shard[1])
    return max(1, min(_EMBED_THREADS_MAX, ours))


def _status(collection: Collection) -> CollectionStatus:
    return CollectionStatus(name=collection.name, id=collection.id, records=collection.count())
