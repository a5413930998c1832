"""The counts of a run in its status."""

from __future__ import annotations

from collections.abc import Sequence

from chroma_sync.api.contract import Result, merge_results
from chroma_sync.api.invocation import InvocationStatus


def show(status: InvocationStatus, results: Sequence[Result]) -> None:
    """Show what the pods of a run came to, each with what it last told. Nothing known changes
    nothing.

    A pod that finds its run finished already, for the one before it died between the mark and its
    exit, has nothing left to count: then the counts seen last stand."""
    if not results:
        return
    total = merge_results(list(results))
    status.revision = total.revision or status.revision
    status.collection = total.collection or status.collection
    if status.documents.discovered and not total.documents.discovered:
        return
    status.documents = total.documents
    status.skipped = total.skipped
    status.chunks = total.chunks
    status.bytes = total.bytes
    status.failures = total.failures
