"""Runs of several Sources into collections that they share. Documents stand in dictionaries."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chroma_sync.api.configuration import (
    ChromaServer,
    Configuration,
    EmbeddingConfiguration,
    RunIdentity,
)
from chroma_sync.api.kinds.s3 import S3Source
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.pipeline.embed import Model
from chroma_sync.pipeline.fetch import EVERYTHING, Opened, Outcome, Ref, Scope
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel

DIMENSION = 16


@dataclass
class Shelf:
    """A connector over texts by their keys. `more`: what else a key's `Ref` has. `answers`: what
    opening a key comes to, instead of its text."""

    texts: Mapping[str, str]
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: Mapping[str, Outcome] = field(default_factory=dict)
    speaks_for: Scope = EVERYTHING
    opened: list[str] = field(default_factory=list)
    lanes: int = 2

    def resolve(self) -> str:
        """Nothing fixes the state."""
        return ""

    def check(self) -> None:
        """It is there."""

    def prepare(self, revision: str) -> None:
        """There is one state alone."""

    def refs(self) -> Generator[Ref, None, None]:
        for key, text in sorted(self.texts.items()):
            if self.speaks_for.covers(key):
                version = hashlib.sha256(text.encode()).hexdigest()
                yield Ref(key, version, len(text.encode()), **self.more.get(key, {}))

    def scope(self) -> Scope:
        return self.speaks_for

    def notes(self) -> Sequence[str]:
        return []

    def open(self, ref: Ref, known: str | None) -> Outcome:
        self.opened.append(ref.key)
        return self.answers.get(ref.key) or Opened(ref, self.texts[ref.key].encode())

    def close(self) -> None:
        """Nothing to give up."""


class Shelves:
    """Toolboxes of runs over one database."""

    def __init__(self, folder: Path) -> None:
        self.database = Database.embedded(folder / "chroma", "default_database")
        self._folder = folder
        self._admitted: list[str] = []  # runs, in their order

    def tools(
        self,
        shelf: Shelf | Mapping[str, str],
        source: str = "team/a",
        *,
        run: str | None = None,
        collection: str = "shared",
        model: Model | None = None,
        model_name: str = "hash",
        document_prompt: str = "",
        allow_mass_delete: bool = False,
        database: Database | None = None,
    ) -> Toolbox:
        """What one step of a run over a shelf works with."""
        scratch = self._folder / str(uuid.uuid4())
        scratch.mkdir()
        run = run or str(uuid.uuid4())
        if run not in self._admitted:
            self._admitted.append(run)
        identity = RunIdentity(
            uid=run,
            admitted=self._admitted.index(run) + 1,
            name="run",
            collection=collection,
            target_policy="Update",
            allow_mass_delete=allow_mass_delete,
        )
        bucket = source.replace("/", "-")
        configuration = Configuration(
            source=source,
            database="default_database",
            chroma=ChromaServer(url="embedded"),
            embedding=EmbeddingConfiguration(
                model=model_name, url="none", document_prompt=document_prompt
            ),
            chunking=Chunking(type="lines", max_size_bytes=40, max_lines=2),
            s3=S3Source(bucket_name=bucket, region="eu", collection_name="shared"),
            job_template=JobTemplate(),
            run=identity,
        )
        return Toolbox(
            configuration,
            shelf if isinstance(shelf, Shelf) else Shelf(shelf),
            database or self.database,
            model or HashModel(DIMENSION),
            scratch,
            Progress(),
            StopSignal(),
        )

    def texts(self, source: str | None = None, collection: str = "shared") -> dict[str, str]:
        """Of each document its text, chunk by chunk as they stand; of one Source or of all."""
        found: dict[str, list[tuple[int, str]]] = {}
        for id_, (text, metadata) in self.records(source, collection).items():
            number = int(id_.rpartition("-")[2])
            found.setdefault(metadata["document_key"], []).append((number, text))
        return {key: "".join(text for _, text in sorted(parts)) for key, parts in found.items()}

    def records(
        self, source: str | None = None, collection: str = "shared"
    ) -> dict[str, tuple[str, dict[str, Any]]]:
        """Text and metadata of each record by its id; of one Source or of all."""
        target = self.database.find(collection)
        assert target is not None
        page = target._handle.get(include=["documents", "metadatas"])
        rows = zip(page["ids"], page["documents"], page["metadatas"], strict=True)
        return {
            id_: (text, dict(metadata))
            for id_, text, metadata in rows
            if source in (None, metadata["source"])
        }

    def metadata(self, collection: str = "shared") -> dict[str, Any]:
        target = self.database.find(collection)
        assert target is not None
        return target.metadata


def lines(word: str, count: int) -> str:
    """A text of several chunks."""
    return "".join(f"{word} {n}\n" for n in range(count))
