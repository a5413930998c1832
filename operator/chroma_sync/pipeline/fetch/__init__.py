"""Fetch: where documents come from."""

from chroma_sync.pipeline.fetch.model import (
    Connector,
    Kept,
    Means,
    Opened,
    Outcome,
    Ref,
    Skipped,
    Unchanged,
)

__all__ = ["Connector", "Kept", "Means", "Opened", "Outcome", "Ref", "Skipped", "Unchanged"]
