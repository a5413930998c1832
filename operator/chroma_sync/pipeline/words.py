"""Sets of words that stand in the code as a text."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words between the blanks."""
    return frozenset(text.split())
