"""What the steps of a run work with, and what a run says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from chroma_sync.api.configuration import Configuration, RunIdentity
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.chunk import CHUNKER_VERSION, Chunker, ChunkingConfig
from chroma_sync.pipeline.embed import EMBEDDING_RULE_VERSION, Model, Space
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.extract import Extractor
from chroma_sync.pipeline.fetch import Connector
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.index.claim import Claim
from chroma_sync.pipeline.index.records import Configs, short_hash
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.reading import TEXT_RULE_VERSION


@dataclass
class Toolbox:
    """Everything a step works with. `shard` (index, count) says which documents are this pod's."""

    configuration: Configuration
    connector: Connector
    database: Database
    model: Model
    scratch: Path
    progress: Progress
    stop: StopSignal
    shard: tuple[int, int] = (0, 1)
    space: Space = field(init=False)

    def __post_init__(self) -> None:
        self.space = Space(self.model, check_stop=self.stop.check)

    @cached_property
    def parser_limits(self) -> Limits:
        """What a parse may take here: files that give up their syntax come out by it."""
        return Limits()

    def extractor(self) -> Extractor:
        """An extractor, which a stop ends."""
        return Extractor(check=self.stop.check)

    def chunker(self) -> Chunker:
        """A chunker as the run wants it, which a stop ends."""
        chunking = chunking_config(self.configuration)
        return Chunker(chunking, self.parser_limits, self.stop.check)

    @cached_property
    def configs(self) -> Configs:
        """The hashes that stand on every record. Measures the model to learn the dimension. Which
        vectors the model gives is no part of them: the collection's golden vectors tell that."""
        embedding = self.configuration.embedding
        info = self.model.info()
        dimension = self.space.measured().shape[1]
        vectors = short_hash(
            *(embedding.model, embedding.document_prompt, str(dimension)),
            *(str(info.max_input_tokens), EMBEDDING_RULE_VERSION),
        )
        chunking = chunking_config(self.configuration)
        records = short_hash(
            *(chunking.type, str(chunking.max_size_bytes), str(chunking.max_lines)),
            *(CHUNKER_VERSION, TEXT_RULE_VERSION, vectors),
        )
        limits = self.parser_limits
        return Configs(records, vectors, limits.cpu_seconds, limits.memory_bytes)


def chunking_config(configuration: Configuration) -> ChunkingConfig:
    """The chunker's view of `spec.chunking`."""
    chunking = configuration.chunking
    return ChunkingConfig(chunking.type, chunking.max_size_bytes, chunking.max_lines)


def claim_of(tools: Toolbox, identity: RunIdentity) -> Claim:
    """What this run says of itself on its collection."""
    configuration = tools.configuration
    return Claim(
        source=configuration.source,
        source_type=configuration.origin.member,
        source_address=configuration.origin.address(),
        run=identity.uid,
        model=configuration.embedding.model,
        document_prompt=configuration.embedding.document_prompt,
        query_prompt=configuration.embedding.query_prompt,
        embedding_config=tools.configs.embedding,
        document_config=tools.configs.document,
        update=identity.target_policy == "Update",
    )


def identity_of(tools: Toolbox) -> RunIdentity:
    """Whose run this is. Raises `Misconfigured` in a check, which has none."""
    if tools.configuration.run is None:
        raise Misconfigured(Reason.INTERNAL_ERROR, "this step needs the configuration of a run")
    return tools.configuration.run
