"""Fetch: where documents come from."""

from chroma_sync.pipeline.fetch.model import Connector, Means, Ref

__all__ = ["Connector", "Means", "Ref"]
