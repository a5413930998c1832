"""The documents of a run over several pods: which one falls to which, and how the pod that finishes
takes over what the others have judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import is_hash
from chroma_sync.pipeline.ledger import Ledger, Line, Verdict
from chroma_sync.pipeline.seal import Seal, Tally


@dataclass(frozen=True)
class Shard:
    """One pod's part of the list: the one with this index, from 0, of `count` parts."""

    index: int
    count: int

    def has(self, ref: Ref) -> bool:
        """Whether a document falls to it. It never depends on what else is listed."""
        return self.count == 1 or shard_of(ref, self.count) == self.index


WHOLE: Final = Shard(0, 1)


def shard_of(ref: Ref, count: int) -> int:
    """The one of `count` shards that a document falls to. It never depends on the listing."""
    return _shard(Document.of(ref).base, count)


def sealed(ledger: Ledger) -> Seal:
    """What a pod says of its verdicts, once all its documents have one."""
    seal = Seal(refused=ledger.refused)
    for page in ledger.lines():
        for line in page:
            # One that is kept and stands whole counts as standing, as whoever reads this finds it.
            stands = line.verdict in (Verdict.INDEXED, Verdict.UNCHANGED) or (
                line.verdict is Verdict.KEPT and line.is_whole
            )
            seal = _with(seal, line, stands=stands, kept=line.verdict is Verdict.KEPT)
    return seal


def accept(
    ledger: Ledger, seals: Sequence[Seal | None], ids: Callable[[], Iterable[list[str]]]
) -> None:
    """Take over what pods have judged, one seal for each shard: of those shards that met the same
    documents as this ledger, and of which the same stand whole. `ids` gives all ids of the target,
    if it has to be known what stands of documents that are not whole."""
    agreed = _agreeing(ledger, seals)
    if any(seal.kept.count for seal in agreed.values()):
        ledger.load_first(ids())
    # The documents of a shard of which something stands are kept, if the pod kept just these. If it
    # kept others, these are left to be judged again.
    stood = [Tally() for _ in seals]
    for page in ledger.lines(undecided=True):
        for line in page:
            if line.stood:
                n = _shard(line.base, len(seals))
                stood[n] = _plus(stood[n], line)
    all_kept = [n for n, seal in agreed.items() if seal.kept == stood[n]]
    for page in ledger.lines(undecided=True):
        ledger.take_over(_taken_over(page, seals, agreed.keys(), all_kept))
    ledger.refused += sum(seal.refused for seal in agreed.values())


def _taken_over(
    page: list[Line],
    seals: Sequence[Seal | None],
    agreed: Iterable[int],
    all_kept: Sequence[int],
) -> Iterator[tuple[Line, Verdict]]:
    for line in page:
        n = _shard(line.base, len(seals))
        seal = seals[n]
        if seal is None or n not in agreed:
            continue
        if n in all_kept:
            yield line, Verdict.KEPT if line.stood else Verdict.SEALED
        elif not (line.stood and seal.kept.count):
            yield line, Verdict.SEALED


def _agreeing(ledger: Ledger, seals: Sequence[Seal | None]) -> dict[int, Seal]:
    found = [Seal() for _ in seals]
    for page in ledger.lines():
        for line in page:
            n = _shard(line.base, len(seals))
            found[n] = _with(found[n], line, stands=line.is_whole, kept=False)
    return {
        n: seal
        for n, seal in enumerate(seals)
        if seal is not None and (seal.met, seal.stand) == (found[n].met, found[n].stand)
    }


def _shard(base: str, count: int) -> int:
    return int.from_bytes(_digest(base)[:4]) % count


def _digest(base: str) -> bytes:
    return bytes.fromhex(base) if is_hash(base) else hashlib.sha256(base.encode()).digest()


def _plus(tally: Tally, line: Line) -> Tally:
    return tally.plus(_digest(line.base), line.state)


def _with(seal: Seal, line: Line, *, stands: bool, kept: bool) -> Seal:
    seal = replace(seal, met=_plus(seal.met, line))
    if stands:
        return replace(seal, stand=_plus(seal.stand, line))
    return replace(seal, kept=_plus(seal.kept, line)) if kept else seal
