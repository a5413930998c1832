"""What a run speaks for. It is told all documents in its scope, and deletes none outside of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Prefix:
    """All documents whose keys begin so."""

    prefix: str

    def covers(self, key: str) -> bool:
        """Whether a document is in the scope."""
        return key.startswith(self.prefix)


@dataclass(frozen=True)
class OneKey:
    """One document."""

    key: str

    def covers(self, key: str) -> bool:
        """Whether it is this one."""
        return key == self.key


EVERYTHING: Final = Prefix("")

Scope = Prefix | OneKey
