"""What a plan says of a forecast."""

from __future__ import annotations

from collections import Counter

from chroma_sync.cli.plan import _summary
from chroma_sync.pipeline.forecast import Forecast


def test_documents_that_can_t_be_read_are_told_with_their_reasons() -> None:
    broken = Counter({"Malformed": 2, "ExtractionTimedOut": 1})
    told = _summary("run into target", Forecast("main", added=1, kept=1, failed=broken))
    assert (
        "0 skipped, 3 (1 ExtractionTimedOut, 2 Malformed) can't be read, 1 kept as they stand"
    ) in told
    assert "can't be read" not in _summary("run into target", Forecast("main", added=1))
