"""Where to cut a text: pure functions over byte offsets, without any knowledge of syntax.

Cuts are the end offset of every chunk, ascending; the last one is the text's length. A text may
have millions of them, so they stand in arrays.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Cuts: TypeAlias = "array[int]"
CUT = "I"  # the type of one in an array: texts of up to 4 GiB

LINE_FEED = 0x0A
CARRIAGE_RETURN = 0x0D

# How good it is to cut at a boundary: a kind and below it a depth, best first, in one integer.
_DEPTH_BITS = 32
LINE = 0 << _DEPTH_BITS  # between two siblings, at the start of a line
HEADER = 1 << _DEPTH_BITS  # between the head of something and its first part
MIDLINE = 2 << _DEPTH_BITS  # inside a line
ATTACHED = 3 << _DEPTH_BITS  # between things that belong together


class Boundaries:
    """The places where a chunk may end, ascending, each with its rank (the lower, the better), and
    one place more, which is over the limit.

    Two neighbours lie at most `max_size` bytes apart, unless a single long line lies between them.
    """

    def __init__(self, data: bytes, start: int, max_size: int) -> None:
        self.data = data
        self.start = self.last = start
        self.max_size = max_size
        self.limit = start + max_size
        self.offsets: list[int] = []
        self.ranks: list[int] = []

    def add(self, offset: int, rank: int) -> None:
        """Adds a boundary behind the last one."""
        if offset > self.last:
            self.offsets.append(offset)
            self.ranks.append(rank)
            self.last = offset

    def divide(self, start: int, end: int, offset: int, depth: int) -> None:
        """Adds boundaries before `offset`, which lies too far behind the last one, around and in
        the only piece between, `start` to `end`.

        The blanks around the piece are split off; if it is too large without them, it is divided
        into its lines.
        """
        for edge in (start, end, offset):
            if self.last < edge <= offset:
                if edge - self.last > self.max_size:
                    self._add_lines(edge, LINE + depth + 1)
                if edge < offset:
                    self.add(edge, ATTACHED)

    def _add_lines(self, end: int, rank: int) -> None:
        line = self.data.find(b"\n", self.last, end) + 1
        while 0 < line < end and self.last <= self.limit:
            self.add(line, rank)
            line = self.data.find(b"\n", line, end) + 1


def best_cut(boundaries: Boundaries) -> int:
    """The best place for the end of a chunk.

    The best is the best kind. Among boundaries of one kind the last wins, but in the second half
    of a chunk one at a lesser depth: a large declaration rather starts a chunk of its own.
    """
    offsets, ranks = boundaries.offsets, boundaries.ranks
    high = bisect_right(offsets, boundaries.limit)
    best = _best(boundaries, high)
    before = offsets[high - 1] if high else boundaries.start
    # A long line comes next: it will be cut anywhere, so rather fill the chunk with it.
    endless = offsets[high] - before > boundaries.max_size
    if best is None or (endless and ranks[best] >= MIDLINE):
        return _character_cut(boundaries.data, boundaries.start, boundaries.limit)
    return _before_line_end(boundaries.data, boundaries.start, offsets[best])


def _best(boundaries: Boundaries, high: int) -> int | None:
    """The index below `high` of the boundary to cut at; None if there is none."""
    if high == 0:
        return None
    offsets, ranks = boundaries.offsets, boundaries.ranks
    kind = min(ranks[:high]) >> _DEPTH_BITS
    middle = bisect_right(offsets, boundaries.start + boundaries.max_size // 2, 0, high)
    late = ranks[middle:high]
    if late and (rank := min(late)) >> _DEPTH_BITS == kind:
        return high - 1 - late[::-1].index(rank)
    return next(i for i in range(middle - 1, -1, -1) if ranks[i] >> _DEPTH_BITS == kind)


def join(cuts: Iterable[int], max_size: int) -> Cuts:
    """Joins neighbours that fit into one chunk: no crumbs beside a chunk that has room."""
    joined = array(CUT)
    start = end = 0
    for cut in cuts:
        if cut - start > max_size:
            joined.append(end)
            start = end
        end = cut
    joined.append(end)
    return joined


def line_cuts(data: bytes, max_size: int, max_lines: int | None) -> Cuts:
    """Cuts by lines: as many whole lines a chunk as fit. Lines end with LF only."""
    joined = array(CUT)
    start = end = 0
    for cut in _whole_lines(data, max_size, max_lines):
        # The end of a long line may have room for what comes next.
        fits = cut - start <= max_size
        if not fits or (max_lines is not None and _line_count(data, start, cut) > max_lines):
            joined.append(end)
            start = end
        end = cut
    if data:
        joined.append(end)
    return joined


def _whole_lines(data: bytes, max_size: int, max_lines: int | None) -> Iterator[int]:
    start = 0
    while start < len(data):
        end = start + max_size
        if end < len(data):
            end = data.rfind(b"\n", start, end) + 1 or _character_cut(data, start, end)
        else:
            end = len(data)
        start = _lines_end(data, start, end, max_lines)
        yield start


def _line_count(data: bytes, start: int, end: int) -> int:
    return data.count(b"\n", start, end) + (data[end - 1] != LINE_FEED)


def _lines_end(data: bytes, start: int, end: int, max_lines: int | None) -> int:
    """The end of the `max_lines`-th line from `start`, at most `end`."""
    if max_lines is None:
        return end
    for _ in range(max_lines):
        start = data.find(b"\n", start, end) + 1
        if start == 0:
            return end
    return start


def _character_cut(data: bytes, start: int, limit: int) -> int:
    """The last place up to `limit` that splits neither a UTF-8 character nor a CR LF."""
    while data[limit] & 0xC0 == 0x80:
        limit -= 1
    return _before_line_end(data, start, limit)


def _before_line_end(data: bytes, start: int, cut: int) -> int:
    """A cut behind `start`, moved before the CR where it lies between CR and LF."""
    inside = data[cut] == LINE_FEED and data[cut - 1] == CARRIAGE_RETURN
    return cut - 1 if inside and cut - 1 > start else cut


def are_sound(cuts: Cuts, data: bytes, max_size: int) -> bool:
    """Whether cuts from outside keep the laws: ascending, to the end, bounded, on characters."""
    start = 0
    for cut in cuts:
        if not start < cut <= min(start + max_size, len(data)):
            return False
        if cut < len(data) and data[cut] & 0xC0 == 0x80:
            return False
        start = cut
    return start == len(data)
