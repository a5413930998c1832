"""The parser: cuts files along their syntax in a process that can be killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from chroma_sync.pipeline.children import BoundedFunction, Limits, OverLimit, What, controlled
from chroma_sync.pipeline.chunk.chunks import Fallback
from chroma_sync.pipeline.chunk.cuts import Cuts, are_sound
from chroma_sync.pipeline.chunk.protocol import CUT_BYTES, pack_head, unpack_cuts

_FUNCTION: Final = "chroma_sync.pipeline.chunk.syntax:answer"
# Blank lines: every grammar takes them, and they are cut like any text.
KNOWN_GOOD: Final = b"\n" * 10
KNOWN_GOOD_SIZE: Final = 4
_FALLBACKS: Final[Mapping[What, Fallback]] = {
    What.TIME: "parser timed out",
    What.MEMORY: "parser out of memory",
    What.OUTPUT: "parser crashed",  # it can't have so many cuts: that is nonsense
    What.CRASH: "parser crashed",
}


class GaveUp(Exception):
    """The parser could not cope with one file."""

    def __init__(self, reason: Fallback) -> None:
        super().__init__(reason)
        self.reason = reason


class BoundedParser:
    """Cuts one text after the other; for one thread."""

    def __init__(self, limits: Limits, check: Callable[[], None]) -> None:
        """`check` is called while a parse is waited for; what it raises ends the parse."""
        self.function = BoundedFunction(_FUNCTION, limits, check)
        self.close = self.function.close

    def cuts(self, language: str, data: bytes, max_size: int) -> Cuts:
        """The cuts of `data`. Raises `GaveUp`, and `NotRunning` if no process can be
        started, none gets to run, or none can cut blank lines in this language either."""

        def control() -> Cuts:
            return self._asked(language, KNOWN_GOOD, KNOWN_GOOD_SIZE)

        try:
            with controlled(control, f"text in {language}"):
                return self._asked(language, data, max_size)
        except OverLimit as error:
            raise GaveUp(_FALLBACKS[error.what]) from None

    def _asked(self, language: str, data: bytes, max_size: int) -> Cuts:
        def read(answer: bytes) -> Cuts:
            cuts = unpack_cuts(answer)
            if not are_sound(cuts, data, max_size):
                raise ValueError("cuts that break the laws")
            return cuts

        head, most = pack_head(language, max_size), CUT_BYTES * len(data)
        return self.function(head, data, most, read)
