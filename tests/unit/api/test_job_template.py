"""Quantities of Kubernetes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chroma_sync.api.job_template import amount


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("1Ki", 1024),
        ("1.5Gi", 1_610_612_736),
        ("2", 2),
        (3, 3),
        ("500m", Decimal("0.5")),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e-3", Decimal("0.001")),
        (".5k", 500),
    ],
)
def test_amount(quantity: int | str, expected: Any) -> None:
    assert amount(quantity) == expected


def test_an_amount_of_no_end_is_no_fault() -> None:
    assert amount("1e99") > amount("1Ei")
    for none in ("one", "1e99999999"):
        with pytest.raises(ValueError, match="no quantity"):
            amount(none)
