from __future__ import annotations

import re
from enum import StrEnum

import pytest

from chroma_sync.api.reasons import DocumentReason, Reason


@pytest.mark.parametrize("reasons", [Reason, DocumentReason])
def test_each_reason_is_a_word_that_kubernetes_takes(reasons: type[StrEnum]) -> None:
    for reason in reasons:
        assert re.fullmatch("[A-Z][A-Za-z0-9]{0,63}", reason)
        assert reason.name == re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", reason).upper()
