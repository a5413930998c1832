"""What a TEI server's answers mean. Pure functions: bytes in, values or exceptions out.

Sources: the recordings in tests/tei-recordings (TEI 1.9.3). A refusal is JSON with `error` and
`error_type` when TEI's own code speaks, and plain text when its HTTP layer does.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any

import numpy as np
import orjson

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed.errors import EmbeddingMisconfigured
from chroma_sync.pipeline.embed.interface import Info, Tokens, Vectors

_TOO_LONG = re.compile(r"must have less than \d+ (tokens|characters)")
_OWNER_AND_NAME = re.compile(r"[^/.][^/]*/[^/]+")  # no path: that begins with / or . or is longer
_SHOWN_MAX = 200


class Rejection(Enum):
    """Why inputs were not embedded, though the server is there."""

    TOO_LONG = auto()  # an input has more tokens than the model takes
    BACKEND_FAILED = auto()  # the computation failed; not always because of these inputs
    REFUSED = auto()  # anything else about these inputs, or about their number or size


class InputsRefused(Exception):
    """The server can't embed these inputs as they are. It never says which of them is to blame."""

    def __init__(self, rejection: Rejection, message: str) -> None:
        super().__init__(message)
        self.rejection = rejection


class UnexpectedAnswer(Exception):
    """No answer of a TEI that is set up well. Of a server that was well before it is trouble, else
    a person must act, for this reason."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class ServerFailure(Exception):
    """Temporary. `overloaded`: the server is well and only asks to be sent less (429)."""

    def __init__(self, message: str, *, overloaded: bool = False) -> None:
        super().__init__(message)
        self.overloaded = overloaded


def check_status(status: int, content_type: str, body: bytes, where: str) -> None:
    """Raise what an answer that is not 200 means. `where` names server and path."""
    if status == 200:
        return
    error = _error(content_type, body)
    message = f"{where} answered {status}{': ' + error if error else ''}"
    if status in (401, 403):
        raise UnexpectedAnswer(
            f"{message}. Check the token in the Secret that tei.tokenSecret of the chart names.",
            Reason.CREDENTIALS_REJECTED,
        )
    if status == 429:
        raise ServerFailure(message, overloaded=True)
    if status == 408 or status >= 500:
        raise ServerFailure(message)
    if status == 424:
        raise InputsRefused(Rejection.BACKEND_FAILED, message)
    if status == 413:
        raise InputsRefused(Rejection.REFUSED, message)
    if status in (400, 422) and content_type.startswith("application/json"):
        too_long = status == 422 and _TOO_LONG.search(error)
        raise InputsRefused(Rejection.TOO_LONG if too_long else Rejection.REFUSED, message)
    # A redirect, a route that is not there, a body that could not be read: no TEI of a version
    # that this client knows.
    raise UnexpectedAnswer(
        f"{message}. It is no TEI server, or not of version 1.9 or newer.", Reason.MODEL_NOT_SERVED
    )


def parse_info(body: bytes, where: str, max_batch: int) -> tuple[Info, list[str]]:
    """The server's limits and the names of its model. `special_tokens` is 0 as yet. One place of
    each request is left for a text of known vector (see `Model.expect`).

    Raises `EmbeddingMisconfigured` for a model that gives no dense vectors and for a server that
    takes only one text a request, and `ServerFailure`."""
    answer = _json(body, where)
    try:
        kind = answer["model_type"]
        permits = int(answer["max_concurrent_requests"])
        info = Info(
            model_id=str(answer["model_id"]),
            # A model that takes more than a whole batch may hold is cut to that in silence.
            max_input_tokens=min(int(answer["max_input_length"]), int(answer["max_batch_tokens"])),
            special_tokens=0,
            # More inputs than permits are refused with 429 for ever, even by an idle server.
            max_batch=min(int(answer["max_client_batch_size"]), permits, max_batch + 1) - 1,
            max_concurrent_inputs=permits,
        )
        names = [info.model_id, str(answer.get("served_model_name") or "")]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ServerFailure(f"{where} gave an answer that lacks a field of TEI 1.9") from None
    pooling = kind.get("embedding", {}).get("pooling") if isinstance(kind, dict) else None
    if pooling is None or pooling == "splade":
        raise EmbeddingMisconfigured(
            f"{where}: {info.model_id!r} gives no dense vectors. Name a server of a dense model.",
            Reason.MODEL_NOT_SERVED,
        )
    if info.max_batch < 1:
        raise EmbeddingMisconfigured(
            f"{where}: the server takes one text a request, and two are needed. Start it with "
            "--max-client-batch-size and --max-concurrent-requests of 2 or more; its defaults are.",
            Reason.MODEL_NOT_SERVED,
        )
    return info, names


def is_named(wanted: str, names: list[str]) -> bool:
    """Is this the wanted model? Case does not count, and a model served from a folder goes by its
    folder's name. Of two ids as owner/name the owner counts too: models of one name abound."""
    return any(name and _is_same(wanted.casefold(), name.casefold()) for name in names)


def _is_same(wanted: str, served: str) -> bool:
    if _OWNER_AND_NAME.fullmatch(wanted) and _OWNER_AND_NAME.fullmatch(served):
        return wanted == served
    return _last_part(wanted) == _last_part(served)


def _last_part(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def parse_vectors(body: bytes, count: int, where: str) -> Vectors:
    """Vectors of length 1, shape `(count, dimension)`.

    Raises `InputsRefused` for numbers that are none: a broken model answers 200 and null."""
    answer = _json(body, where)
    try:
        with np.errstate(over="ignore"):
            vectors: Vectors = np.array(answer, dtype=np.float32)
    except (ValueError, TypeError):
        raise ServerFailure(f"{where} gave vectors of unequal or unreadable shape") from None
    if vectors.ndim != 2 or len(vectors) != count or vectors.shape[1] == 0:
        raise ServerFailure(f"{where} gave an array of shape {vectors.shape} for {count} texts")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        message = f"{where} gave a vector that has no direction (null, infinite or zero)"
        raise InputsRefused(Rejection.BACKEND_FAILED, message)
    # A model in float16 gives lengths that are only nearly 1.
    unit: Vectors = vectors / lengths
    return unit


def parse_tokens(body: bytes, count: int, where: str) -> list[Tokens]:
    """The tokens of each text. Tokens without a place in the text are special."""
    answer = _json(body, where)
    try:
        tokens = [_tokens(entries) for entries in answer]
    except (KeyError, TypeError, ValueError):
        raise ServerFailure(f"{where} gave tokens of an unknown shape") from None
    if len(tokens) != count:
        raise ServerFailure(f"{where} gave the tokens of {len(tokens)} texts for {count}")
    return tokens


def _tokens(entries: list[dict[str, Any]]) -> Tokens:
    placed = [(int(e["start"]), int(e["stop"])) for e in entries if e["start"] is not None]
    return Tokens(placed, len(entries) - len(placed))


def _json(body: bytes, where: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ServerFailure(f"{where} gave an answer that is not JSON") from None


def _error(content_type: str, body: bytes) -> str:
    """The server's own words, cut. They name limits, never an input."""
    if content_type.startswith("application/json"):
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        text = str(answer.get("error", "")) if isinstance(answer, dict) else ""
    elif content_type.startswith("text/plain"):
        text = body.decode("utf-8", "replace")
    else:
        text = ""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
