"""What a run would do, found out without writing anything to Chroma."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chroma_sync.pipeline.chunk import Chunker
from chroma_sync.pipeline.fetch import Entry
from chroma_sync.pipeline.fetch.content import as_text
from chroma_sync.pipeline.index.claim import begun_revision, check_ownership
from chroma_sync.pipeline.index.records import sha256_hex
from chroma_sync.pipeline.index.state import Known, TargetState, is_unchanged
from chroma_sync.pipeline.steps import (
    Toolbox,
    claim_of,
    donor_of,
    identity_of,
    target_state,
)
from chroma_sync.pipeline.stream import Donor


@dataclass
class Forecast:
    """What would become of the documents, and what it would take. `chunks` are written, and of
    them `texts` are embedded; the others take their vectors over. `skipped` counts by reason."""

    revision: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    texts: int = 0


def forecast(tools: Toolbox) -> Forecast:
    """Look at everything as a run would. Raises what the run would raise before its first write."""
    identity = identity_of(tools)
    target = tools.database.find(identity.collection)
    begun = None
    if target is not None:
        check_ownership(target, claim_of(tools, identity))
        begun = begun_revision(target.metadata, identity.uid)
    result = Forecast(begun or tools.source.resolve())
    tools.source.open(result.revision)
    with target_state(tools.scratch / "forecast.sqlite") as state:
        if target is not None:
            state.load(target.records())
        with (
            donor_of(tools, identity.collection) as donor,
            tools.chunker() as chunker,
        ):
            for entry in tools.source.entries():
                tools.stop.check()
                _look(tools, entry, state, donor, chunker, result)
        result.removed = state.gone()
    return result


def _look(
    tools: Toolbox,
    entry: Entry,
    state: TargetState,
    donor: Donor | None,
    chunker: Chunker,
    result: Forecast,
) -> None:
    """Take one document into account."""
    if entry.skip is not None:
        result.skipped[entry.skip.value] += 1
        return
    known = state.known(entry.key)
    if is_unchanged(known, entry.version, tools.configs.document):
        result.unchanged += 1
        state.load_listing([(entry.key, entry.version)])
        return
    text = as_text(tools.source.read(entry))
    if not isinstance(text, bytes):
        result.skipped[text.value] += 1
        return
    result.added += not known
    result.changed += bool(known)
    state.load_listing([(entry.key, entry.version)])
    donated = donor.known(entry.key) if donor is not None else []
    standing = _contents(known, tools) | _contents(donated, tools)
    chunks = chunker.chunk(entry.key, text).chunks
    result.chunks += len(chunks)
    result.texts += sum(sha256_hex(chunk.text) not in standing for chunk in chunks)


def _contents(known: list[Known], tools: Toolbox) -> set[str | None]:
    """The texts, by their hash, whose vectors could be taken over."""
    return {r.content for r in known if r.embedding == tools.configs.embedding}
