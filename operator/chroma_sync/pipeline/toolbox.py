"""What the steps of a run work with."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from chroma_sync.api.configuration import Configuration
from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.embed import Model, Space
from chroma_sync.pipeline.extract import Extractor
from chroma_sync.pipeline.fetch import Connector
from chroma_sync.pipeline.index.chroma import Collection, Database
from chroma_sync.pipeline.index.existing_vectors import ExistingVectors
from chroma_sync.pipeline.index.records import Configs
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.stream import Stages


@dataclass
class Toolbox:
    """Everything a step works with. `parser_limits` are what a parse may take here: files that give
    up their syntax come out by them."""

    configuration: Configuration
    connector: Connector
    database: Database
    model: Model
    scratch: Path
    progress: Progress
    stop: StopSignal
    parser_limits: Limits = field(default_factory=Limits)
    space: Space = field(init=False)

    def __post_init__(self) -> None:
        self.space = Space(self.model, check_stop=self.stop.check)

    def ledger(self) -> closing[Ledger]:
        """An empty ledger on the scratch folder, closed at the end of the block."""
        return closing(Ledger(self.scratch / "ledger.sqlite"))

    def stages(
        self,
        ledger: Ledger,
        target: Collection | None,
        vectors: ExistingVectors,
        configs: Configs,
        progress: Progress,
    ) -> Stages:
        """What the stream of the ledger's documents is made of."""
        return Stages(
            connector=self.connector,
            make_extractor=self.extractor,
            make_chunker=self.chunker,
            ledger=ledger,
            target=target,
            vectors=vectors,
            configs=configs,
            progress=progress,
        )

    def extractor(self) -> Extractor:
        """An extractor, which a stop ends."""
        origin = self.configuration.origin
        return Extractor(
            check=self.stop.check,
            documents=origin.has_documents,
            ocr_languages=origin.picture_languages(),
        )

    def chunker(self) -> Chunker:
        """A chunker as the run wants it, which a stop ends."""
        chunking = chunking_config(self.configuration)
        return Chunker(chunking, self.parser_limits, self.stop.check)


def chunking_config(configuration: Configuration) -> ChunkingConfig:
    """The chunker's view of `spec.chunking`."""
    chunking = configuration.chunking
    return ChunkingConfig(chunking.type, chunking.max_size_bytes, chunking.max_lines)
