"""What stands at the top or the foot of many pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from chroma_sync.pipeline.extract.pdf_lines import Line

_OUTERMOST: Final = 3  # lines at each end of a page
_SHARE: Final = 0.5  # of the pages
_NUMBERS: Final = re.compile(r"\d+|\b[ivxlc]+\b")


def without_repeated(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The lines of each page; what stands at the edge of many of them is kept on the first one
    only, a page's number on none."""
    counts = Counter(key for page in pages for key in {_key(line) for line in _outermost(page)})
    least = max(2, _SHARE * sum(map(bool, pages)))
    repeated = {key for key, count in counts.items() if count >= least}
    seen: set[str] = set()
    kept: list[list[Line]] = []
    for page in pages:
        edge = set(map(id, _outermost(page)))
        lines: list[Line] = []
        for line in page:
            key = _key(line)
            if id(line) in edge and key in repeated:
                if key in seen or not any(c.isalpha() for c in key.replace("#", "")):
                    continue
                seen.add(key)
            lines.append(line)
        kept.append(lines)
    return kept


def _outermost(page: Sequence[Line]) -> list[Line]:
    by_height = sorted(page, key=lambda line: -line.bottom)
    return [*by_height[:_OUTERMOST], *by_height[_OUTERMOST:][-_OUTERMOST:]]


def _key(line: Line) -> str:
    return _NUMBERS.sub("#", " ".join(line.text.lower().split()))
