"""A run, as one step of it sees it: who it is, what it says of itself on its collection, and
whether the collection is still its own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from chroma_sync.api.configuration import Configuration, RunIdentity
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.chunk import CHUNKER_VERSION
from chroma_sync.pipeline.embed import EMBEDDING_RULE_VERSION
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.claim import Claim, CollectionOwner, Fence, Hold, OwnHold
from chroma_sync.pipeline.index.records import Configs, short_hash
from chroma_sync.pipeline.index.shared import SharedHold
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.reading import TEXT_RULE_VERSION
from chroma_sync.pipeline.shards import WHOLE, Shard
from chroma_sync.pipeline.toolbox import Toolbox, chunking_config

_OWNER_SECONDS = 3.0


@dataclass
class Run:
    """One run into one collection, made once a step, by `start` or `resume`.

    `claim` is what it says of itself on the collection, and whether it may update a finished one;
    `hold` is how it says so. `configs` are the hashes that stand on its records. `shard` is the
    part of the list that this pod has. `attempt` is set once this pod begins to finish."""

    identity: RunIdentity
    database: Database
    claim: Claim
    hold: Hold
    configs: Configs
    shard: Shard = WHOLE
    attempt: str = ""

    def own(self) -> Collection:
        """The collection, which must still be this run's, in this attempt, and not done. Raises
        `Misconfigured` when the run has lost it, and `Temporary` when another pod of the run
        finishes it by now, or has done so."""
        return self._own()[0]

    def _own(self) -> tuple[Collection, Fence]:
        collection, fence = _held(self.database, self.identity, self.hold)
        if fence is None:
            raise _lost(self.identity, "has lost its metadata")
        if self.hold.is_done(collection.metadata):
            message = f"Another pod of this run has finished {collection.name!r}."
            raise Temporary(Reason.RUN_LOST, message)
        if self.attempt and fence.attempt != self.attempt:
            message = f"Another pod of this run finishes collection {collection.name!r} by now."
            raise Temporary(Reason.RUN_LOST, message)
        return collection, fence

    def planned(self) -> Collection:
        """The collection, for which this pod must make the same records as plan said. If its image
        or the model's server was changed in mid-run, finish would take every document for a
        leftover. Raises `Misconfigured`, and what `own` raises."""
        collection, fence = self._own()
        said = fence.document_config, fence.embedding_config
        if said != (self.configs.document, self.configs.embedding):
            message = (
                f"The worker's release or the model's server was changed while collection "
                f"{collection.name!r} was being written. Apply the Invocation again."
            )
            raise Misconfigured(Reason.COLLECTION_MODEL_MISMATCH, message)
        return collection

    def lacks_plan(self) -> bool:
        """Whether what plan has said on the collection was undone, by another run's write into a
        shared one, so that it must be said again. Raises `Misconfigured` when the run has lost the
        collection."""
        return _held(self.database, self.identity, self.hold)[1] is None

    def begin_attempt(self) -> None:
        """From here on only this pod may delete and mark, until another one says the same. Raises
        what `planned` raises."""
        collection, attempt = self.planned(), uuid.uuid4().hex
        self.hold.begin_attempt(collection, attempt)
        self.attempt = attempt

    def mark_finished(self) -> Collection:
        """Set the finished mark. Raises what `own` raises."""
        collection = self.own()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.hold.mark_finished(collection, now)
        return collection

    @contextmanager
    def watched(self, stop: StopSignal) -> Iterator[None]:
        """Meanwhile look every few seconds whether the collection is still ours, and stop else."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_OWNER_SECONDS) and not stop.is_set():
                try:
                    self.own()
                except Exception as error:
                    stop.stop(error)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def done(tools: Toolbox) -> Collection | None:
    """The collection of a run that has set its mark already; None of any other run. A pod died
    between the mark and its exit: nobody is asked anything any more."""
    collection = tools.database.find(identity_of(tools.configuration).collection)
    is_done = collection is not None and hold_of(tools).is_done(collection.metadata)
    return collection if is_done else None


def start(tools: Toolbox, shard: Shard = WHOLE) -> Run:
    """The run of a step. Measures the model, which its hashes tell of."""
    configuration, configs = tools.configuration, _measured_configs(tools)
    identity, embedding = identity_of(configuration), configuration.embedding
    claim = Claim(
        owner=owner_of(configuration),
        run=identity.uid,
        model=embedding.model,
        document_prompt=embedding.document_prompt,
        query_prompt=embedding.query_prompt,
        embedding_config=configs.embedding,
        document_config=configs.document,
        update=identity.target_policy == "Update",
    )
    return Run(identity, tools.database, claim, hold_of(tools), configs, shard)


def resume(tools: Toolbox, shard: Shard = WHOLE) -> Run:
    """The run of a step after plan. One that has lost its collection raises `Misconfigured` at
    once, and waits for no model."""
    _held(tools.database, identity_of(tools.configuration), hold_of(tools))
    return start(tools, shard)


def hold_of(tools: Toolbox) -> Hold:
    """How the run of a step holds its collection."""
    configuration, identity = tools.configuration, identity_of(tools.configuration)
    if not configuration.origin.shares_collection:
        return OwnHold(identity.uid)
    source = configuration.source
    return SharedHold(tools.database, source, identity.uid, identity.admitted)


def identity_of(configuration: Configuration) -> RunIdentity:
    """Whose run this is. Raises `Misconfigured` in a check, which has none."""
    if configuration.run is None:
        raise Misconfigured(Reason.INTERNAL_ERROR, "this step needs the configuration of a run")
    return configuration.run


def owner_of(configuration: Configuration) -> CollectionOwner:
    """The Source of a configuration, as it stands on its collections."""
    origin = configuration.origin
    return CollectionOwner(configuration.source, origin.member, origin.address())


def revision_of(hold: Hold, collection: Collection) -> str:
    """What plan has written on the collection; empty where the source has no revisions. Raises
    `Misconfigured` when it is lost."""
    fence = hold.fence(collection.metadata)
    if fence is None or not fence.run:
        message = f"Collection {collection.name!r} has lost its metadata; this run has stopped."
        raise Misconfigured(Reason.RUN_LOST, message)
    return fence.revision


def _held(database: Database, identity: RunIdentity, hold: Hold) -> tuple[Collection, Fence | None]:
    """The collection that this run has claimed, and what stands there of the run. Raises
    `Misconfigured` when it has lost it."""
    collection = database.find(identity.collection)
    if collection is None:
        raise _lost(identity, "was deleted")
    fence = hold.standing(collection)
    if fence is not None and fence.run != identity.uid:
        raise _lost(identity, "was taken over by another run")
    return collection, fence


def _lost(identity: RunIdentity, what: str) -> Misconfigured:
    message = f"Collection {identity.collection!r} {what}; this run has stopped."
    return Misconfigured(Reason.RUN_LOST, message)


def _measured_configs(tools: Toolbox) -> Configs:
    """The hashes that stand on every record. Measures the model to learn the dimension. Which
    vectors the model gives is no part of them: the collection's golden vectors tell that."""
    embedding = tools.configuration.embedding
    info = tools.model.info()
    dimension = tools.space.measured().shape[1]
    vectors = short_hash(
        *(embedding.model, embedding.document_prompt, str(dimension)),
        *(str(info.max_input_tokens), EMBEDDING_RULE_VERSION),
    )
    chunking, origin = chunking_config(tools.configuration), tools.configuration.origin
    records = short_hash(
        *(chunking.type, str(chunking.max_size_bytes), str(chunking.max_lines)),
        *(CHUNKER_VERSION, TEXT_RULE_VERSION, vectors, tools.configuration.source),
        *(origin.picture_languages() if origin.has_documents else ()),
    )
    limits = tools.parser_limits
    return Configs(
        *(records, vectors, tools.configuration.source),
        *(limits.cpu_seconds, limits.memory_bytes),
        shares=origin.shares_collection,
    )
