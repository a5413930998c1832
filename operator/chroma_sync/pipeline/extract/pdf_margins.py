"""What stands at the top or the foot of many pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from chroma_sync.pipeline.extract.pdf_lines import Line

_OUTERMOST: Final = 3  # lines at each end of a page
_SHARE: Final = 0.5  # of the pages
_OFTEN: Final = 3  # pages: as many are enough in a long document, whose chapters differ
_STEP: Final = 4  # points: what stands higher or lower than that is another line
_NUMBERS: Final = re.compile(r"\d+|\b[ivxlc]+\b")

_Key = tuple[str, int]  # its text, but for numbers, and how high it stands


def without_repeated(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The lines of each page; what stands at the edge of many of them is kept on the first one
    only, a page's number on none."""
    counts = Counter(key for page in pages for key in {_key(line) for line in _outermost(page)})
    least = min(max(2, _SHARE * sum(map(bool, pages))), _OFTEN)
    repeated = {key for key, count in counts.items() if count >= least}
    seen: set[_Key] = set()
    kept: list[list[Line]] = []
    for page in pages:
        edge = set(map(id, _outermost(page)))
        lines: list[Line] = []
        for line in page:
            key = _key(line)
            if id(line) in edge and key in repeated:
                if key in seen or not any(c.isalpha() for c in key[0]):
                    continue
                seen.add(key)
            lines.append(line)
        kept.append(lines)
    return kept


def _outermost(page: Sequence[Line]) -> list[Line]:
    by_height = sorted(page, key=lambda line: -line.bottom)
    return [*by_height[:_OUTERMOST], *by_height[_OUTERMOST:][-_OUTERMOST:]]


def _key(line: Line) -> _Key:
    return _NUMBERS.sub("#", " ".join(line.text.lower().split())), round(line.bottom / _STEP)
