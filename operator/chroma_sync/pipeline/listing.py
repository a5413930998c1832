"""The list of a run's documents: all that the source has, or those of one shard."""

from __future__ import annotations

from contextlib import closing

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.api.shown import visible
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox


def meet_all(tools: Toolbox, shard: Shard, ledger: Ledger, progress: Progress) -> None:
    """List the source, once, into the ledger. `progress` counts the documents; what the source has
    to say of the whole run is told in any case."""
    scope = tools.connector.scope()
    with closing(tools.connector.refs()) as refs:
        for ref in refs:
            tools.stop.check()
            if not shard.has(ref):
                continue
            if not scope.covers(ref.key):
                raise RuntimeError(f"{ref.key!r} was listed, and lies outside of the run's scope")
            if ref.version is None and shard.count > 1:
                raise RuntimeError("a kind whose listing tells no versions is not divisible")
            progress.discovered()
            if not ledger.meet(ref):
                _refuse(ref, ledger.holder(ref), progress)
    tools.progress.note(tools.connector.notes())
    ledger.revision = tools.progress.revision or ""


def _refuse(ref: Ref, holder: str, progress: Progress) -> None:
    """A document has come that has the key of another one, or its id."""
    if holder == ref.key:
        progress.skipped(ref.key, DocumentReason.DUPLICATE)
    else:
        message = f"{visible(holder)!r} has the id {ref.own_id!r} too. Give one of them another."
        progress.failed(ref.key, DocumentReason.ID_TAKEN, message)
