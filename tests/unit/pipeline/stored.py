"""What stands in a collection, as the tests of whole runs look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.toolbox import Toolbox


@dataclass(frozen=True)
class Vector:
    """Equal to 5 digits: Chroma normalises what it stores, so a vector that is read and written
    again may differ in its last bit."""

    numbers: tuple[float, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vector) and np.allclose(self.numbers, other.numbers, atol=1e-5)


def contents(tools: Toolbox, name: str = "target") -> dict[str, tuple[Any, ...]]:
    """Every record of a collection, by id: text, metadata, vector."""
    return stored_contents(tools.database, name)


def stored_contents(database: Database, name: str) -> dict[str, tuple[Any, ...]]:
    """The same, of a database."""
    collection = database.find(name)
    assert collection is not None
    page = collection._handle.get(include=["documents", "metadatas", "embeddings"])
    rows = zip(page["ids"], page["documents"], page["metadatas"], page["embeddings"], strict=True)
    return {i: (d, tuple(sorted(m.items())), Vector(tuple(v))) for i, d, m, v in rows}


def metadata(tools: Toolbox, name: str = "target") -> dict[str, Any]:
    collection = tools.database.find(name)
    assert collection is not None
    return collection.metadata
