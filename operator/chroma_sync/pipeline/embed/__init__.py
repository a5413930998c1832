"""Embed: texts to vectors, by a server that speaks TEI's protocol or a small model on the CPU."""

from chroma_sync.pipeline.embed.errors import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
)
from chroma_sync.pipeline.embed.golden import GOLDEN_TEXTS, Space, agree
from chroma_sync.pipeline.embed.interface import Info, InProcess, Model, Tokens, Vector, Vectors
from chroma_sync.pipeline.embed.local import LOCAL_MODEL, LocalMiniLM
from chroma_sync.pipeline.embed.tei import TeiModel
from chroma_sync.pipeline.embed.windows import EMBEDDING_RULE_VERSION, Embeddings, embed_long

__all__ = [
    "EMBEDDING_RULE_VERSION",
    "GOLDEN_TEXTS",
    "LOCAL_MODEL",
    "EmbeddingMisconfigured",
    "EmbeddingRejected",
    "EmbeddingUnavailable",
    "Embeddings",
    "InProcess",
    "Info",
    "LocalMiniLM",
    "Model",
    "Space",
    "TeiModel",
    "Tokens",
    "Vector",
    "Vectors",
    "agree",
    "embed_long",
]
