"""What a shard's pod says of its verdicts, so short that it fits a termination message: finish need
not judge again what agrees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

_BITS: Final = 64
_SEPARATOR: Final = "."


@dataclass(frozen=True)
class Tally:
    """Some documents: how many, and a sum of their hashes, which no order changes."""

    count: int = 0
    total: int = 0

    def plus(self, key_sha: bytes, state: str) -> Tally:
        """With one document more."""
        digest = hashlib.sha256(key_sha + state.encode()).digest()[: _BITS // 8]
        return Tally(self.count + 1, (self.total + int.from_bytes(digest)) % 2**_BITS)


@dataclass(frozen=True)
class Seal:
    """The documents that a shard has met, those that stand as they are to stand, those of which
    something older is kept, and how many the model or Chroma has refused."""

    met: Tally = Tally()
    stand: Tally = Tally()
    kept: Tally = Tally()
    refused: int = 0

    def __str__(self) -> str:
        tallies = (self.met, self.stand, self.kept)
        numbers = [n for tally in tallies for n in (tally.count, tally.total)]
        return _SEPARATOR.join(f"{n:x}" for n in (*numbers, self.refused))

    @classmethod
    def parse(cls, text: str) -> Seal | None:
        """None for what is no seal, as of a pod that was lost."""
        try:
            a, b, c, d, e, f, refused = (int(part, 16) for part in text.split(_SEPARATOR))
        except ValueError:
            return None
        return cls(Tally(a, b), Tally(c, d), Tally(e, f), refused)
