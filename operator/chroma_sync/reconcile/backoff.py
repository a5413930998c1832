"""How long to wait before something that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass

_DOUBLINGS_MAX = 30  # beyond these no number of failures matters, and none overflows


@dataclass(frozen=True)
class Backoff:
    """Waits that double from `first` up to `last`, in seconds."""

    first: float
    last: float

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row."""
        return min(self.first * 2.0 ** min(failures - 1, _DOUBLINGS_MAX), self.last)
