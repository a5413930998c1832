"""Where a case takes place: a source from a dictionary, a real Chroma whose calls may go wrong, a
model that may be gone."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chroma_sync.api.configuration import (
    ChromaServer,
    Configuration,
    EmbeddingConfiguration,
    RunIdentity,
)
from chroma_sync.api.kinds.github import GithubSource
from chroma_sync.api.kinds.s3 import S3Source
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.pipeline.embed import EmbeddingUnavailable, Vector, Vectors
from chroma_sync.pipeline.fetch import EVERYTHING, Opened, Ref, Scope, Unchanged
from chroma_sync.pipeline.index.calls import Calls
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.session import ForeignAnswer
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from random_runs.cases import REFUSED, UNSTORABLE, Tree

DIMENSION = 8
OURS = "default/case"
THEIRS = "default/neighbour"
_CALLS = ("get", "upsert", "update", "delete", "modify", "count")

# Told of each call of a collection: its name, and how to carry it out.
Hook = Callable[[Any, str, Callable[[], Any]], Any]


class TreeConnector:
    """A source whose documents stand in dictionaries. Its revisions are their numbers."""

    lanes = 3

    def __init__(
        self, states: tuple[Tree, ...], state: int, is_late: bool, has_own_ids: bool
    ) -> None:
        self._states = states
        self._state = state
        self._is_late = is_late
        self._has_own_ids = has_own_ids
        self._tree: Tree = {}

    def resolve(self) -> str:
        return f"state-{self._state}"

    def check(self) -> None:
        """It is there."""

    def prepare(self, revision: str) -> None:
        self._tree = self._states[int(revision.removeprefix("state-"))]

    def refs(self) -> Generator[Ref, None, None]:
        for key, text in sorted(self._tree.items()):
            ref = self._ref(key, text)
            yield replace(ref, version=None, size=None) if self._is_late else ref

    def scope(self) -> Scope:
        return EVERYTHING

    def notes(self) -> list[str]:
        return []

    def open(self, ref: Ref, known: str | None) -> Opened | Unchanged:
        text = self._tree[ref.key]
        opened = self._ref(ref.key, text)
        return Unchanged() if known == opened.version else Opened(opened, text)

    def close(self) -> None:
        """Nothing to give up."""

    def _ref(self, key: str, text: bytes) -> Ref:
        digest = hashlib.sha256(text).hexdigest()
        if not self._has_own_ids:
            return Ref(key, digest, len(text))
        # Of some documents, by their first word: so it comes, goes and changes with the text.
        own_id = f"{key}-{text[0]}" if text and text[0] % 2 else None
        return Ref(key, digest, len(text), own_id=own_id, metadata={"length": len(text)})


class OddModel(HashModel):
    """Refuses some texts for good. When it is told so, it is gone from one call on, or gives other
    vectors: then it keeps what `expect` demands as a client of a server does."""

    gone = False
    changed = False
    expects = False

    def __init__(self) -> None:
        super().__init__(DIMENSION, refuses=REFUSED)

    def embed(self, texts: list[str]) -> Vectors:
        if self.gone or (self.changed and self.expects):
            raise EmbeddingUnavailable("gone or changed by the case")
        return super().embed(texts)

    def expect(self, text: str, vector: Vector) -> None:
        self.expects = True

    def _vector(self, text: str) -> Vectors:
        return super()._vector(f"{'another ' if self.changed else ''}{text}")


class OddDatabase(Database):
    """A database with a hook in the calls of its collections. Before it stands what refuses writes
    of some texts, and of more than `records_max` records."""

    hook: Hook
    records_max: int | None = None

    def _collection(self, model: Any) -> Collection:
        collection = super()._collection(model)
        collection._handle = _OddHandle(collection._handle, self)
        return collection

    def see_that_it_passes(self, count: int, texts: Iterable[str]) -> None:
        """Raise what a client raises that is answered 413."""
        too_many = self.records_max is not None and count > self.records_max
        if too_many or any(UNSTORABLE in text for text in texts):
            raise ForeignAnswer(413, "HTTP 413")


class _OddHandle:
    def __init__(self, handle: Any, database: OddDatabase) -> None:
        self._handle = handle
        self._database = database

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._handle, name)
        if name not in _CALLS:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            def carry_out() -> Any:
                if name in ("upsert", "update"):
                    ids = options["ids"] if "ids" in options else arguments[0]
                    self._database.see_that_it_passes(len(ids), options.get("documents", ()))
                return found(*arguments, **options)

            return self._database.hook(self._handle, name, carry_out)

        return call


def _undisturbed(_handle: Any, _name: str, carry_out: Callable[[], Any]) -> Any:
    return carry_out()


@dataclass
class World:
    """One Chroma for all cases. `server` is chromadb's interface to it."""

    server: Any
    scratch: Path
    _made: list[str] = field(default_factory=list)
    _admitted: list[str] = field(default_factory=list)  # runs, in their order

    def tools(
        self,
        states: tuple[Tree, ...],
        state: int,
        collection: str,
        uid: str,
        *,
        hook: Hook = _undisturbed,
        allow_mass_delete: bool = True,
        is_late: bool = False,
        is_shared: bool = False,
        source: str = OURS,
    ) -> Toolbox:
        """What one pod of a run works with."""
        if collection not in self._made:
            self._made.append(collection)
        calls = Calls("the case's Chroma", 60.0, lambda _: None, lambda _: None)
        place = ("default_tenant", "default_database")
        database = OddDatabase(self.server, *place, calls, lambda: None)
        database.hook = hook
        scratch = self.scratch / str(uuid.uuid4())
        scratch.mkdir()
        if uid not in self._admitted:
            self._admitted.append(uid)
        configuration = _configuration(source, collection, is_shared)
        configuration.run = RunIdentity(
            uid=uid,
            name="run",
            collection=collection,
            target_policy="Update",
            allow_mass_delete=allow_mass_delete,
            admitted=self._admitted.index(uid) + 1,
        )
        return Toolbox(
            configuration,
            TreeConnector(states, state, is_late, is_shared),
            database,
            OddModel(),
            scratch,
            Progress(),
            StopSignal(),
        )

    def handle(self, name: str) -> Any:
        """chromadb's own collection, whose calls have no hook. Raises its `NotFoundError`."""
        from chromadb.api.models.Collection import Collection as Handle

        model = self.server.get_collection(name)
        return Handle(self.server, model, embedding_function=None, data_loader=None)

    def exists(self, name: str) -> bool:
        """Whether there is a collection of that name."""
        from chromadb.errors import NotFoundError

        try:
            self.handle(name)
        except NotFoundError:
            return False
        return True

    def clear(self) -> None:
        """Delete the collections that a case has made."""
        from chromadb.errors import NotFoundError

        for name in self._made:
            try:
                self.server.delete_collection(name)
            except NotFoundError:
                continue
        self._made.clear()


def _configuration(source: str, collection: str, is_shared: bool) -> Configuration:
    bucket = S3Source(bucket_name="case", region="eu", collection_name=collection)
    return Configuration(
        source=source,
        database="default_database",
        chroma=ChromaServer(url="embedded"),
        embedding=EmbeddingConfiguration(model="hash", url="none"),
        chunking=Chunking(type="lines", max_size_bytes=40, max_lines=3),
        github=None if is_shared else GithubSource(repository="acme/case"),
        s3=bucket if is_shared else None,
        job_template=JobTemplate(),
    )
