"""Embed: texts to vectors, by a server that speaks TEI's protocol or a small model on the CPU."""

from chroma_sync.pipeline.embed.errors import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
)
from chroma_sync.pipeline.embed.local import LOCAL_MODEL, LocalMiniLM
from chroma_sync.pipeline.embed.model import Info, Model, Tokens, Vectors
from chroma_sync.pipeline.embed.tei import TeiModel
from chroma_sync.pipeline.embed.windows import EMBEDDING_RULE_VERSION, Embedded, embed_long

__all__ = [
    "EMBEDDING_RULE_VERSION",
    "LOCAL_MODEL",
    "Embedded",
    "EmbeddingMisconfigured",
    "EmbeddingRejected",
    "EmbeddingUnavailable",
    "Info",
    "LocalMiniLM",
    "Model",
    "TeiModel",
    "Tokens",
    "Vectors",
    "embed_long",
]
