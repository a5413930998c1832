"""Fetch: where documents come from."""

from chroma_sync.pipeline.fetch.model import Entry, Source

__all__ = ["Entry", "Source"]
