"""The union of kinds with the fourth one. Put in the place of the real one before anything else is
imported: `installed`."""

from __future__ import annotations

import sys
from typing import Final

from pydantic import Field

import chroma_sync.api.kinds
from chroma_sync.api.kinds import union as real
from chroma_sync.api.kinds.kind import Kind
from fourth_kind.dictionary import DictionaryRun, DictionarySource, SharedDictionarySource


class SourceMembers(real.SourceMembers):
    """Where data lives. Exactly one is set."""

    shelf: SharedDictionarySource | None = Field(
        default=None, description="Documents that stand in the Source, into a shared collection."
    )
    dictionary: DictionarySource | None = Field(
        default=None, description="Documents that stand in the Source itself."
    )


class RunMembers(real.RunMembers):
    """What to read of a Source."""

    shelf: DictionaryRun | None = Field(
        default=None, description="What to read; for runs over a shelf Source only."
    )
    dictionary: DictionaryRun | None = Field(
        default=None, description="What to read; for runs over a dictionary Source only."
    )


KINDS: Final[tuple[type[Kind], ...]] = (
    *real.KINDS,
    SharedDictionarySource,
    DictionarySource,
)


def install() -> None:
    """Make this the union of the process."""
    sys.modules[real.__name__] = chroma_sync.api.kinds.union = sys.modules[__name__]
