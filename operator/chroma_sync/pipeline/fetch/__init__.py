"""Fetch: where documents come from."""

from chroma_sync.pipeline.fetch.model import Entry, Means, Source

__all__ = ["Entry", "Means", "Source"]
