"""Fetch: where documents come from."""

from chroma_sync.pipeline.fetch.connector import (
    Connector,
    Kept,
    Means,
    Opened,
    Outcome,
    Ref,
    Skipped,
    Unchanged,
)
from chroma_sync.pipeline.fetch.scope import EVERYTHING, OneKey, Prefix, Scope

__all__ = [
    "EVERYTHING",
    "Connector",
    "Kept",
    "Means",
    "OneKey",
    "Opened",
    "Outcome",
    "Prefix",
    "Ref",
    "Scope",
    "Skipped",
    "Unchanged",
]
