"""What a run deletes: how much it may, and how."""

from __future__ import annotations

from collections.abc import Sequence

from chroma_sync.api.configuration import Configuration
from chroma_sync.pipeline.fetch import OneKey, Scope
from chroma_sync.pipeline.index.chroma import Collection, text_metadata
from chroma_sync.pipeline.index.records import is_first
from chroma_sync.pipeline.ledger import Orphan
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.run import identity_of


def too_many_go(configuration: Configuration, scope: Scope, go: int, stand: int, then: str) -> str:
    """Why a run must not remove so many of the documents that stand; empty when it may. A source
    that lists little, for whatever reason, must not empty a collection; a run over one document may
    find that it is gone. `then`: what became of it, or would."""
    identity, limit = identity_of(configuration), configuration.max_delete_percent
    is_one = isinstance(scope, OneKey)
    if is_one or identity.allow_mass_delete or go * 100 <= stand * limit:
        return ""
    return (
        f"This run would remove {go} of the {stand} documents in collection "
        f"{identity.collection!r}, and spec.maxDeletePercent of the Source allows {limit} %. "
        f"{then} See whether what the Source lists is complete: its address, its globs, its "
        "credentials. If it is, set spec.allowMassDelete: true on an Invocation."
    )


def delete_orphans(collection: Collection, orphans: Sequence[Orphan], progress: Progress) -> None:
    """Delete what is left over. A document that goes loses its chunk 0, and has no other one."""
    going = (one for one in orphans if not one.stands)
    firsts = [(i, one.is_gone) for one in going for i in one.ids if is_first(i)]
    gone = list(collection.some([id_ for id_, is_gone in firsts if is_gone]))
    collection.delete([id_ for one in orphans for id_ in one.ids])
    names = [text_metadata(record.metadata, "document_key") for record in gone]
    progress.removed(len(firsts), names)
