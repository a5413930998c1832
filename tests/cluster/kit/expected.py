"""The vectors that records must have, worked out anew: none of the product's code is used.

The rule (design, section 5): a text of more tokens than the model takes is embedded in windows of
as many tokens as fit, each from the start of its first token to the start of the next window's
first; the vectors are averaged by their tokens and normalised.
"""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np


def expected_vectors(tei: httpx.Client, texts: list[str]) -> tuple[Any, list[int]]:
    """The vectors of some texts, (n, dimension) float32, and how many windows each took."""
    info = tei.get("/info").raise_for_status().json()
    limit, batch_size = int(info["max_input_length"]), int(info["max_client_batch_size"])
    pieces: list[str] = []
    weights: list[int] = []
    windows: list[int] = []
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        answer = tei.post("/tokenize", json={"inputs": batch}).raise_for_status()
        for text, tokens in zip(batch, answer.json(), strict=True):
            special = sum(1 for t in tokens if t["special"])
            starts = [t["start"] for t in tokens if not t["special"]]
            cut = _windows(tei, text.encode(), starts, limit - special)
            pieces += [piece for piece, _ in cut]
            weights += [weight for _, weight in cut]
            windows.append(len(cut))
    vectors = _embed(tei, pieces, batch_size)
    rows, at = [], 0
    for count in windows:
        mean = np.average(vectors[at : at + count], axis=0, weights=weights[at : at + count])
        rows.append(mean / np.linalg.norm(mean))
        at += count
    return np.asarray(rows, dtype=np.float32), windows


def _windows(
    tei: httpx.Client, data: bytes, starts: list[int], capacity: int
) -> list[tuple[str, int]]:
    if len(starts) <= capacity:
        return [(data.decode(), max(1, len(starts)))]
    firsts = list(range(0, len(starts), capacity))
    edges = [0, *(starts[i] for i in firsts[1:]), len(data)]
    cut = []
    for k, first in enumerate(firsts):
        piece = data[edges[k] : edges[k + 1]].decode()
        tokens = tei.post("/tokenize", json={"inputs": [piece]}).raise_for_status().json()[0]
        assert sum(1 for t in tokens if not t["special"]) <= capacity, "a cut made more tokens"
        cut.append((piece, min(capacity, len(starts) - first)))
    return cut


def _embed(tei: httpx.Client, texts: list[str], batch_size: int) -> Any:
    vectors: list[list[float]] = []
    for start in range(0, len(texts), batch_size):
        body = {"inputs": texts[start : start + batch_size], "truncate": False}
        vectors += tei.post("/embed", json=body, timeout=120).raise_for_status().json()
    return np.asarray(vectors, dtype=np.float32)
