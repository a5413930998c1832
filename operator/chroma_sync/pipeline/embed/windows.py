"""Texts of any length: one over the model's limit is embedded in windows. Nothing is truncated.

The rule, version `EMBEDDING_RULE_VERSION`. `capacity` is the model's `max_input_tokens` less the
special tokens that it adds to each text.

1. A text of at most `capacity` bytes is one window: a token covers at least one byte.
2. Otherwise it is tokenized. With at most `capacity` tokens it is one window.
3. With more, it is cut into windows of `capacity` tokens each, the last one of the rest. A cut lies
   at the first byte of the next window's first token; where that is inside a UTF-8 character, at
   the character's first byte. So the windows, joined, are the text.
4. Each window is tokenized by itself. A cut within a word can give a window more tokens than it had
   in the text; one with more than `capacity` (n of them) is cut at its token number n // 2, counted
   from 0, and its halves go through step 4 again.
5. Each window is embedded by itself. The text's vector is the mean of the windows' vectors, each
   weighted by the tokens that the window has by itself (without special tokens), made length 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from chroma_sync.pipeline.embed.errors import EmbeddingRejected, TextTooLong
from chroma_sync.pipeline.embed.interface import Info, Model, Tokens, Vectors

EMBEDDING_RULE_VERSION = "1"

_ROUNDS_MAX = 64  # each makes a window strictly shorter; a sound tokenizer needs two or three


@dataclass(frozen=True)
class Embeddings:
    """What became of some texts, in their order."""

    vectors: Vectors  # (n, dimension), each of length 1
    windows: list[int]  # how many each text was cut into; 1 for most
    texts_sent: int  # all windows together: what the model embedded


@dataclass(frozen=True)
class _Window:
    owner: int  # the place of its text
    data: bytes
    tokens: int = 1  # by itself, without special tokens; the weight
    fits: bool = False  # known to be within the model's limit

    @property
    def text(self) -> str:
        return self.data.decode()


def embed_long(model: Model, texts: list[str]) -> Embeddings:
    """Embed texts of any length. All windows of all texts share the model's batches.

    Raises `EmbeddingRejected` with the places of texts to blame, and what `Model` raises."""
    windows = _cut(model, texts)
    windows, vectors = _embed(model, windows)
    counts = [0] * len(texts)
    for window in windows:
        counts[window.owner] += 1
    return Embeddings(_average(windows, vectors, counts), counts, len(windows))


def _cut(model: Model, texts: list[str]) -> list[_Window]:
    """All windows of all texts, in order (steps 1 to 4)."""
    info = model.info()
    capacity = max(1, info.max_input_tokens - info.special_tokens)
    windows = []
    for owner, text in enumerate(texts):
        data = text.encode()
        windows.append(_Window(owner, data, fits=len(data) <= capacity))
    return _settle(model, info, windows, step=capacity)


def _settle(model: Model, info: Info, windows: list[_Window], step: int | None) -> list[_Window]:
    """Tokenize windows, and cut those that do not fit, until all fit: the first time every `step`
    tokens, after that, or when it is None, in the middle."""
    for _ in range(_ROUNDS_MAX):
        loose = [window for window in windows if not window.fits]
        if not loose:
            return windows
        tokens = iter(_tokenize(model, loose))
        windows = [
            piece
            for window in windows
            for piece in ([window] if window.fits else _checked(window, next(tokens), info, step))
        ]
        step = None
    raise _uncuttable(loose[0])


def _checked(window: _Window, tokens: Tokens, info: Info, step: int | None) -> list[_Window]:
    """The window with its token count when it fits, else the pieces that it is cut into."""
    count = len(tokens.offsets) + tokens.special
    if count <= info.max_input_tokens:
        return [replace(window, tokens=max(1, count - info.special_tokens), fits=True)]
    return _pieces(window, tokens, step)


def _pieces(window: _Window, tokens: Tokens, step: int | None) -> list[_Window]:
    """Cut every `step` tokens, or in the middle. Raises `EmbeddingRejected` where no cut helps."""
    count = len(tokens.offsets)
    if step is not None and step < count:
        firsts = tokens.offsets[step::step]
    else:
        firsts = tokens.offsets[count // 2 :][:1]
    cuts = [_character_start(window.data, start) for start, _ in firsts]
    bounds = [0, *cuts, len(window.data)]
    # Tokens that share one character give empty windows: those are left out.
    pieces = [
        _Window(window.owner, window.data[begin:end])
        for begin, end in pairwise(bounds)
        if begin < end
    ]
    if len(pieces) < 2:
        raise _uncuttable(window)
    return pieces


def _character_start(data: bytes, place: int) -> int:
    while 0 < place < len(data) and data[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _embed(model: Model, windows: list[_Window]) -> tuple[list[_Window], Vectors]:
    """The vector of each window. A window that the model finds too long all the same, against
    step 1 or by a limit in characters, is halved first."""
    for _ in range(_ROUNDS_MAX):
        try:
            with _blaming(windows):
                return windows, model.embed([window.text for window in windows])
        except TextTooLong as error:
            at = error.index
            (tokens,) = _tokenize(model, [windows[at]])
            halves = _pieces(windows[at], tokens, step=None)
            windows[at : at + 1] = _settle(model, model.info(), halves, step=None)
    raise _uncuttable(windows[at])


def _tokenize(model: Model, windows: list[_Window]) -> list[Tokens]:
    with _blaming(windows):
        return model.tokenize([window.text for window in windows])


@contextmanager
def _blaming(windows: list[_Window]) -> Iterator[None]:
    """Let a rejection of windows name their texts."""
    try:
        yield
    except EmbeddingRejected as rejected:
        refused = {windows[at].owner: message for at, message in rejected.refused.items()}
        raise EmbeddingRejected(refused) from None


def _average(windows: list[_Window], vectors: Vectors, counts: list[int]) -> Vectors:
    """The weighted mean of each text's windows, of length 1 (step 5)."""
    result = np.empty((len(counts), vectors.shape[1]), np.float32)
    begin = 0
    for owner, count in enumerate(counts):
        end = begin + count
        if count == 1:
            result[owner] = vectors[begin]
        else:
            weights = np.array([window.tokens for window in windows[begin:end]], np.float64)
            total = weights @ vectors[begin:end]
            length = float(np.linalg.norm(total))
            if length == 0:
                message = "the vectors of the text's windows cancel out"
                raise EmbeddingRejected({owner: message})
            result[owner] = total / length
        begin = end
    return result


def _uncuttable(window: _Window) -> EmbeddingRejected:
    message = "the text can't be cut into windows that the model takes"
    return EmbeddingRejected({window.owner: message})
