"""A client of a TEI server whose waits cost no time, and a server that tells texts apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chroma_sync.pipeline.embed import TeiModel, Vectors
from fakes.scripted_tei import Clock, Reply, ok, sound


@contextmanager
def client(url: str, clock: Clock | None = None, **options: Any) -> Iterator[TeiModel]:
    clock = clock or Clock()
    model = options.pop("model", "all-MiniLM-L6-v2")
    made = TeiModel(url, model=model, clock=clock, sleep=clock.sleep, **options)
    try:
        yield made
    finally:
        made.close()


def numbered(path: str, body: bytes) -> Reply:
    """A sound server whose vector for the text `7` points to 7 degrees."""
    if path != "/embed":
        return sound(path, body)
    angles = [np.radians(float(text.split()[-1])) for text in json.loads(body)["inputs"]]
    return ok([[np.cos(angle), np.sin(angle)] for angle in angles])


def degrees(vectors: Vectors) -> list[int]:
    return [round(float(np.degrees(np.arctan2(y, x)))) for x, y in vectors]
