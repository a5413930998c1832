"""Cuts files into chunks: along their syntax, or by lines."""

from chroma_sync.pipeline.chunk.chunker import Chunker
from chroma_sync.pipeline.chunk.chunks import (
    CHUNKER_VERSION,
    Chunk,
    Chunked,
    ChunkingConfig,
    Strategy,
)

__all__ = [
    "CHUNKER_VERSION",
    "Chunk",
    "Chunked",
    "Chunker",
    "ChunkingConfig",
    "Strategy",
]
