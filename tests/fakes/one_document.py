"""A stream of one document, and a Chroma of zero cost and size: for what only its length may bring
to light."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path
from typing import cast

import numpy as np

from chroma_sync.pipeline.chunk import Chunked, Chunker, ChunkingConfig
from chroma_sync.pipeline.embed import Space
from chroma_sync.pipeline.extract import Extractor
from chroma_sync.pipeline.fetch import EVERYTHING
from chroma_sync.pipeline.index.chroma import Collection, Stored
from chroma_sync.pipeline.index.existing_vectors import ExistingVectors
from chroma_sync.pipeline.index.records import (
    Configs,
    Record,
    document_sha,
    id_parts,
    record_id,
    sha256_hex,
)
from chroma_sync.pipeline.index.writes import RefusedRecord
from chroma_sync.pipeline.indexing import Indexing
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.stream import Stages, Stream
from fakes.hash_model import HashModel
from fourth_kind.connector import Dictionary

DIMENSION = 16
MAX_SIZE_BYTES = 16  # the least that the API takes
CONFIGS = Configs(document="d", embedding="e", source="s", parser_seconds=1.0, parser_bytes=1)
_KEY = "one.txt"


class ForgetfulCollection:
    """Implements what the stream asks of a `Collection`. Records that are written are counted and
    forgotten. What stands in it, if anything, is one document: its records are made when someone
    asks for them."""

    def __init__(self, standing: Chunked | None) -> None:
        self._standing = standing
        self.asked = 0  # of how many chunks a vector was asked for
        self.written = 0
        self.in_place = 0
        self.last = ""  # the id that was written last

    def count(self) -> int:
        return len(self._standing or ())

    def some(self, ids: Sequence[str], *, vectors: bool = False) -> Iterator[Stored]:
        self.asked += len(ids) if vectors else 0
        for id_ in ids:
            parts = id_parts(id_)
            if parts is not None and parts[1] < self.count():
                yield self._stored(id_, parts[1])

    def _stored(self, id_: str, n: int) -> Stored:
        assert self._standing is not None
        text_sha = sha256_hex(self._standing.text_of(n))
        metadata = {"content_sha256": text_sha, "embedding_config": CONFIGS.embedding}
        return Stored(id_, metadata, np.full(DIMENSION, 0.25, np.float32))

    def ids_where(self, key: str, values: Sequence[str]) -> Iterator[str]:
        """All: they are of one document, and in one state."""
        yield from (record_id(document_sha(_KEY), n) for n in range(self.count()))

    def with_texts(
        self, text_shas: AbstractSet[str], embedding_config: str, *, vectors: bool
    ) -> Iterator[tuple[str, Stored]]:
        yield from ()

    def upsert(self, records: Sequence[Record]) -> list[RefusedRecord]:
        self.written += len(records)
        self.in_place += sum(record.in_place for record in records)
        self.last = records[-1].id
        return []


def chunker() -> Chunker:
    """One that cuts by lines, as finely as the API allows."""
    return Chunker(ChunkingConfig("lines", MAX_SIZE_BYTES, None))


def stream(
    data: bytes, standing: Chunked | None, scratch: Path, refuses: str = ""
) -> ForgetfulCollection:
    """Let a document of some bytes flow into a collection where another version may stand, by a
    model that `refuses` some text. Returns the collection."""
    collection = ForgetfulCollection(standing)
    target = cast(Collection, collection)
    model = HashModel(dimension=DIMENSION, refuses=refuses)
    space = Space(model)
    space.settle(space.measured(), "one", "")
    connector = Dictionary({_KEY: data}, EVERYTHING)
    with closing(Ledger(scratch / "ledger.sqlite")) as ledger:
        assert all(map(ledger.meet, connector.refs()))
        stages = Stages(
            connector=connector,
            make_extractor=Extractor,
            make_chunker=chunker,
            ledger=ledger,
            target=target,
            vectors=ExistingVectors(target, None, CONFIGS.embedding),
            configs=CONFIGS,
            progress=Progress(),
        )
        stop = StopSignal()
        indexing = Indexing(
            stages,
            stop,
            collection=target,
            write_limit=300,
            model=model,
            space=space,
            embed_threads=2,
            document_prompt="",
            scratch=scratch,
        )
        Stream(stages, indexing, stop).run()
        assert ledger.unsettled() == 0
    assert refuses or collection.last == f"{document_sha(_KEY)}-0"
    return collection
