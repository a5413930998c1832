"""The metadata keys of a record, as a budget: a hosted Chroma takes so many, and users have a part
of them. What the worker writes stays within the rest (tests/unit/pipeline/test_records.py)."""

from __future__ import annotations

from typing import Final

RECORD_KEYS_MAX: Final = 32  # the hosted product's quota
USER_KEYS_MAX: Final = 12
OWN_KEYS_MAX: Final = RECORD_KEYS_MAX - USER_KEYS_MAX
