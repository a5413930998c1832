"""Which vectors may be compared is measured: by texts that never change, and by their vectors.

A collection keeps the golden vectors of the model that made it. Whoever writes to it, takes vectors
out of it or asks it a question must be served by a model that gives the same ones: its name, its
commit and its number format say nothing. Another model, another pooling or another prompt of the
server turns a vector by far more than the bound here; another number format, another batch or
another release of the server by far less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed.errors import EmbeddingMisconfigured, EmbeddingRejected
from chroma_sync.pipeline.embed.interface import Model, Vectors
from chroma_sync.pipeline.embed.windows import embed_long

# Never change one: collections keep their vectors, and no run could update them any more.
GOLDEN_TEXTS: Final = (
    "A ship in harbour is safe, but that is not what ships are built for.",
    "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n"
    "    return total / len(values) if values else None\n",
    "向量数据库按照含义保存文本，并找出与问题最接近的段落。図書館は毎朝九時に開きます。",
    '{"name": "pump-7", "pressure": 4.25, "unit": "bar", "tags": ["north", "spare"], "ok": false}',
    "Wie spät fährt der letzte Zug? Où se trouve la gare ? Где находится вокзал? 🚉",
    "x",
    "## Restore a backup\n\n1. Stop the server: `systemctl stop store`.\n2. Copy "
    "[the archive](https://example.com/backup.tar.gz) to `/var/lib/store`.\n3. Start it again, and "
    "look at its log for the line **restored**.\n",
    # Long, for what a server does with many tokens. Still within the limit of the smallest model.
    "The lighthouse stands on the outermost rock of the bay. Its keeper climbs the stairs at dusk, "
    "trims the wick, winds the clockwork and writes the weather into a book with a blue cover. On "
    "clear nights the beam is seen from the town, and children count the seconds between two "
    "flashes. In fog he sounds the horn every ninety seconds until the morning. Supplies come by "
    "boat when the sea allows it: flour, lamp oil, coal, letters, and once a year a new rope. "
    "Before the tower was built, eleven ships were lost here within a single winter. Since then "
    "there was one, and its captain had slept.",
)
AGREE_MIN: Final = 0.999
"""The least cosine of two vectors of one text that one and the same model gave."""

_DUE_SECONDS: Final = 180.0
_SHOWN_CHARACTERS: Final = 24


def agree(some: Vectors, others: Vectors) -> bool:
    """Whether vectors of the same texts, each `(n, dimension)`, came from one model."""
    return some.shape == others.shape and bool(np.min(_cosines(some, others)) >= AGREE_MIN)


class Space:
    """The vectors that can be compared with those that `model` gave at first. Any number of
    threads.

    All golden texts are measured when the model is first used, and `check_if_due` measures them
    again after each interruption and every three minutes. In between, each request to a server
    carries the first of them: see `Model.expect`."""

    def __init__(
        self,
        model: Model,
        clock: Callable[[], float] = time.monotonic,
        check_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._model = model
        self._check_stop = check_stop
        self._clock = clock
        self._lock = Lock()
        self._first: Vectors | None = None
        self._golden: Vectors | None = None
        self._whose = self._advice = ""
        self._measured_at = clock()
        self._interruptions = 0

    def measured(self) -> Vectors:
        """The model's golden vectors `(8, dimension)`, as they were at its first use."""
        with self._lock:
            if self._first is None:
                self._first = self._measure()
            return self._first

    def settle(self, golden: Vectors, whose: str, advice: str) -> None:
        """From here on the model must give these golden vectors, which are those of the collection
        `whose`. Raises `EmbeddingMisconfigured`, reason EmbeddingMismatch, when it does not;
        `advice` tells people what to do then."""
        first = self.measured()
        with self._lock:
            if self._golden is not None and agree(self._golden, golden):
                return
            self._golden, self._whose, self._advice = golden, whose, advice
            self._compare(first, golden)
            self._model.expect(GOLDEN_TEXTS[0], golden[0])

    def check(self) -> None:
        """Measure now. Raises `EmbeddingMisconfigured`, reason EmbeddingMismatch."""
        with self._lock:
            self._check()

    def check_if_due(self) -> None:
        """Measure when the last time was three minutes ago or the model was away since. Raises
        what `check` raises."""
        with self._lock:
            # Whoever had to wait here may be stopped by now.
            self._check_stop()
            was_away = self._model.interruptions() != self._interruptions
            if was_away or self._clock() - self._measured_at >= _DUE_SECONDS:
                self._check()

    def _check(self) -> None:
        if self._golden is None:
            raise AssertionError("settle comes first")
        self._compare(self._measure(), self._golden)

    def _compare(self, vectors: Vectors, golden: Vectors) -> None:
        # Twice, for this ends a run: the second answer may be that of another server.
        if not agree(vectors, golden) and not agree(vectors := self._measure(), golden):
            raise EmbeddingMisconfigured(
                "The model gives other vectors than those that collection "
                f"{self._whose!r} was made with: {_difference(vectors, golden)}. The server's "
                f"model, pooling or prompt was changed. {self._advice}",
                Reason.EMBEDDING_MISMATCH,
            )

    def _measure(self) -> Vectors:
        # Asked first: what interrupts the measuring itself is seen at the next look.
        interruptions = self._model.interruptions()
        try:
            vectors = embed_long(self._model, list(GOLDEN_TEXTS)).vectors
        except EmbeddingRejected as rejected:
            message = f"The model refuses a text that each model can embed: {rejected}"
            raise EmbeddingMisconfigured(message, Reason.MODEL_NOT_SERVED) from None
        self._interruptions, self._measured_at = interruptions, self._clock()
        return vectors


def _cosines(some: Vectors, others: Vectors) -> Vectors:
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    cosines: Vectors = np.einsum("ij,ij->i", some, others) / lengths
    return cosines


def _difference(now: Vectors, golden: Vectors) -> str:
    if len(now) != len(golden):
        return f"it keeps those of {len(golden)} known texts, and there are {len(now)}"
    if now.shape[1] != golden.shape[1]:
        return f"they have {now.shape[1]} dimensions, not {golden.shape[1]}"
    cosines = _cosines(now, golden)
    worst = int(np.argmin(cosines))
    text = GOLDEN_TEXTS[worst][:_SHOWN_CHARACTERS]
    return f"of {text!r} by a cosine of {cosines[worst]:.4f}, where {AGREE_MIN} is needed"
