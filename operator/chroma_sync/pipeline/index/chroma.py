"""Chroma, seen through what the index stage needs of it, and nothing more of chromadb."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.batches import batches
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.calls import COLLECTION_GONE, Calls
from chroma_sync.pipeline.index.records import Record, Scalar, Vector
from chroma_sync.pipeline.index.session import NO_TOKEN, Address, Exchange, Token, http_server
from chroma_sync.pipeline.index.writes import RefusedRecord, Writes

RETRY_SECONDS = 300.0
_REQUEST_SECONDS = 60.0
# The hosted product's quotas of records a write and of results a read. Larger writes gain nothing.
_WRITE_MAX = 300
_READ_MAX = 300
# A single node has no quotas: its largest write is that of SQLite, the hosted product's is this.
_HOSTED_BATCH = 1_000
_IDS_READ = 10_000
_TEXTS_ASKED = 1_000  # an embedded Chroma takes 32,000 values in a question
_METADATA_READ = 1_000  # what larger pages leave in the heap stays there

Metadata = dict[str, Any]
NO_BOUNDS: Mapping[str, int] = {}
NO_VALUES: Mapping[str, str] = {}


class Call(Protocol):
    """Does one thing at the server, as `Calls.call` does it."""

    def __call__(self, action: Callable[[], Any], *, is_write: bool = False) -> Any: ...


@dataclass(frozen=True)
class Stored:
    """One stored record. `vector` is (dimension,) float32, or None when it was not asked for."""

    id: str
    metadata: Metadata
    vector: Vector | None = None


@dataclass(frozen=True)
class Hit:
    """A record that a query found. `score` is the cosine similarity."""

    metadata: Metadata
    text: str
    score: float


class Database:
    """One database of a Chroma server, or of an embedded Chroma on a laptop."""

    def __init__(
        self, server: Any, tenant: str, database: str, calls: Calls, close: Callable[[], None]
    ) -> None:
        """Asks the server how much it takes at once."""
        self._server = server
        self._batch = int(calls.call(server.get_max_batch_size))
        self._place = {"tenant": tenant, "database": database}
        self._call = calls.call
        self._of_collections = replace(calls, missing=COLLECTION_GONE)
        self.close = close  # gives connections and files back

    @classmethod
    def connect(
        cls,
        url: str,
        tenant: str,
        database: str,
        token: Token = NO_TOKEN,
        *,
        retry_seconds: float = RETRY_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> Database:
        """Open a database of a server. Raises `Misconfigured` when it does not exist.

        Each call waits for a server that is down or restarting, so many seconds at most, and tells
        `on_wait` of it: the trouble, then an empty text when it is over."""
        try:
            address = Address.parse(url)
        except ValueError as error:
            message = f"The address of the Chroma server {error}."
            raise Misconfigured(Reason.CHROMA_UNAVAILABLE, message) from None
        exchange = Exchange()
        calls = Calls(
            *(f"{address.url}, tenant {tenant!r}, database {database!r}", retry_seconds),
            *(sleep, on_wait),
            token_advice=token.advice,
            exchange=exchange,
        )
        # A server that hangs must not outlast what the caller waits by much.
        timeout = min(_REQUEST_SECONDS, max(1.0, retry_seconds))
        server = http_server(address, token, timeout, exchange)
        with ExitStack() as stack:
            stack.callback(server._session.close)
            calls.call(lambda: (server.get_tenant(tenant), server.get_database(database, tenant)))
            opened = cls(server, tenant, database, calls, server._session.close)
            stack.pop_all()
        return opened

    @classmethod
    def embedded(cls, path: Path, database: str) -> Database:
        """Open a Chroma inside this process, with its files in a folder."""
        import chromadb
        from chromadb.config import Settings

        calls = Calls.embedded(path, database)

        def opened() -> Any:
            return chromadb.PersistentClient(
                path=path, settings=Settings(anonymized_telemetry=False), database=database
            )

        client = calls.call(opened)
        return cls(client._server, client.tenant, database, calls, client.close)

    def write_limit(self) -> int:
        """The most records that one write may hold."""
        return min(_WRITE_MAX, self._batch)

    def read_limit(self) -> int:
        """The most records that one read may answer with."""
        return _IDS_READ if self._batch > _HOSTED_BATCH else _READ_MAX

    def _collection(self, model: Any) -> Collection:
        from chromadb.api.models.Collection import Collection as Handle

        handle = Handle(self._server, model, embedding_function=None, data_loader=None)
        return Collection(handle, self._of_collections.call, self.read_limit())

    def find(self, name: str) -> Collection | None:
        """The collection of that name, if there is one."""
        from chromadb.errors import NotFoundError

        def found() -> Any:
            try:
                return self._server.get_collection(name, **self._place)
            except NotFoundError:
                return None

        model = self._call(found)
        return None if model is None else self._collection(model)

    def collections(self) -> Iterator[Collection]:
        """All collections of the database, in pages. Don't make or delete any meanwhile."""
        offset = 0
        while True:
            ask = partial(self._server.list_collections, _READ_MAX, offset, **self._place)
            page = self._call(ask)
            yield from map(self._collection, page)
            if len(page) < _READ_MAX:
                return
            offset += _READ_MAX

    def create(self, name: str, metadata: Mapping[str, Scalar]) -> Collection:
        """Create a collection with the cosine space, or get the one that stands there by now."""
        model = self._call(
            lambda: self._server.get_or_create_collection(
                name,
                metadata=dict(metadata),
                configuration={"hnsw": {"space": "cosine"}},
                **self._place,
            )
        )
        return self._collection(model)


class Collection:
    """One collection. Its metadata is replaced as a whole, a record's metadata is merged."""

    def __init__(self, handle: Any, call: Call, read_limit: int) -> None:
        self._handle = handle
        self._call = call
        write = partial(call, is_write=True)
        self._writes = Writes(lambda r: self._send(r, write), lambda r: self._send(r, call))
        self._ids_read = read_limit
        self._metadata_read = min(_METADATA_READ, read_limit)
        self.id = str(handle.id)
        self.name = str(handle.name)
        self.metadata: Metadata = dict(handle.metadata or {})

    def count(self) -> int:
        """How many records stand in it."""
        return int(self._call(self._handle.count))

    def replace_metadata(self, metadata: Metadata) -> None:
        """Write the collection's whole metadata."""
        self._call(lambda: self._handle.modify(metadata=metadata))
        self.metadata = dict(metadata)

    def ids(self) -> Iterator[list[str]]:
        """The ids of all records, in pages. Don't delete meanwhile."""
        for page in self._pages(self._ids_read, include=[]):
            yield page["ids"]

    def with_texts(
        self, text_shas: AbstractSet[str], embedding_config: str, *, vectors: bool
    ) -> Iterator[tuple[str, Stored]]:
        """For some texts, named by their hashes, one record each whose vector was made so, if there
        is any; whatever document it is of. Don't delete meanwhile."""
        for some in batches(sorted(text_shas), _TEXTS_ASKED, lambda _: 1):
            yield from self._with_some_texts(set(some), embedding_config, vectors=vectors)

    def _with_some_texts(
        self, left: set[str], embedding_config: str, *, vectors: bool
    ) -> Iterator[tuple[str, Stored]]:
        size, include = self._stored_read(vectors)
        made_so = {"embedding_config": embedding_config}
        is_narrow = False
        while left:
            # A text may have any number of records. So what is found is not asked for again. To ask
            # how they were made takes Chroma through the whole collection, and hardly any were made
            # in another way: only a page full of these calls for it.
            wanted = {"content_sha256": {"$in": sorted(left)}}
            where = {"$and": [wanted, made_so]} if is_narrow else wanted
            page = self._call(partial(self._handle.get, where=where, limit=size, include=include))
            before = len(left)
            for stored in _stored(page):
                text_sha = str(stored.metadata["content_sha256"])
                if text_sha in left and made_so.items() <= stored.metadata.items():
                    left.remove(text_sha)
                    yield text_sha, stored
            if len(page["ids"]) < size:
                return
            is_narrow = len(left) == before

    def ids_where(
        self,
        key: str,
        values: Sequence[str],
        at_least: Mapping[str, int] = NO_BOUNDS,
        equal: Mapping[str, str] = NO_VALUES,
    ) -> Iterator[str]:
        """The ids of the records that have one of some values in their metadata, numbers that are
        `at_least` these, and texts that are `equal` to these. Don't delete any of them meanwhile.
        """
        asked: list[dict[str, Any]] = [
            {key: {"$in": list(values)}},
            *({k: {"$gte": n}} for k, n in at_least.items()),
            *({k: text} for k, text in equal.items()),
        ]
        if values:
            where = {"$and": asked} if len(asked) > 1 else asked[0]
            for page in self._pages(self._ids_read, where=where, include=[]):
                yield from page["ids"]

    def _pages(self, size: int, **what: Any) -> Iterator[Any]:
        offset = 0
        while True:
            page = self._call(partial(self._handle.get, limit=size, offset=offset, **what))
            yield page
            if len(page["ids"]) < size:
                return
            offset += size

    def some(self, ids: Sequence[str], *, vectors: bool = False) -> Iterator[Stored]:
        """Those of some records that stand, without their texts."""
        size, include = self._stored_read(vectors)
        for start in range(0, len(ids), size):
            some = list(ids[start : start + size])
            page = self._call(partial(self._handle.get, ids=some, include=include))
            yield from _stored(page)

    def _stored_read(self, vectors: bool) -> tuple[int, list[str]]:
        """How many records a read may answer with, and what it includes."""
        if vectors:
            return _WRITE_MAX, ["embeddings", "metadatas"]
        return self._metadata_read, ["metadatas"]

    def nearest(self, vector: Vector, count: int) -> list[Hit]:
        """The records nearest to a vector of shape (dimension,), the nearest first."""
        include = ["metadatas", "documents", "distances"]
        found = self._call(
            lambda: self._handle.query(
                query_embeddings=vector[None, :], n_results=count, include=include
            )
        )
        rows = zip(found["metadatas"][0], found["documents"][0], found["distances"][0], strict=True)
        return [Hit(dict(m or {}), text or "", 1.0 - distance) for m, text, distance in rows]

    def upsert(self, records: Sequence[Record]) -> list[RefusedRecord]:
        """Write some records, at most the database's `write_limit`. Returns those that Chroma does
        not take, though it takes others."""
        return self._writes.put(records)

    def _send(self, records: Sequence[Record], call: Call) -> None:
        """Write some records in one request. Of those that are in place only the metadata: Chroma
        takes five times as long to write a vector over."""
        in_place = [record for record in records if record.in_place]
        lost = self._with_new_metadata(in_place, call) if in_place else []
        whole = [*(record for record in records if not record.in_place), *lost]
        if whole:
            call(
                lambda: self._handle.upsert(
                    ids=[r.id for r in whole],
                    embeddings=np.stack([r.vector for r in whole]),
                    documents=[r.text for r in whole],
                    metadatas=[dict(r.metadata) for r in whole],
                )
            )

    def _with_new_metadata(self, records: Sequence[Record], call: Call) -> list[Record]:
        """Write the metadata alone. Returns the records that turn out not to be in place: another
        writer deleted them or wrote over them, which Chroma does not tell."""
        ids = [r.id for r in records]
        metadatas = [dict(r.metadata) for r in records]
        call(lambda: self._handle.update(ids, metadatas=metadatas))
        include = ["documents", "embeddings"]
        page = self._call(lambda: self._handle.get(ids=ids, include=include))
        rows = zip(page["ids"], page["documents"], page["embeddings"], strict=True)
        existing = {id_: (text, vector) for id_, text, vector in rows}
        return [r for r in records if not _is_in_place(r, *existing.get(r.id, (None, None)))]

    def delete(self, ids: Sequence[str]) -> None:
        """Delete some records."""
        for start in range(0, len(ids), _WRITE_MAX):
            some = list(ids[start : start + _WRITE_MAX])
            self._call(partial(self._handle.delete, ids=some))


def _stored(page: Any) -> Iterator[Stored]:
    vectors = page["embeddings"]
    for i, (id_, metadata) in enumerate(zip(page["ids"], page["metadatas"], strict=True)):
        vector = None if vectors is None else np.asarray(vectors[i], dtype=np.float32)
        yield Stored(id_, dict(metadata or {}), vector)


def _is_in_place(record: Record, text: str | None, vector: Any) -> bool:
    # Chroma normalises what it stores: the last bit may differ.
    return text == record.text and np.allclose(vector, record.vector, atol=1e-5)


def text_metadata(metadata: Metadata, key: str) -> str:
    """A metadata value as text; empty when it is not there."""
    return cast(str, metadata.get(key) or "")
