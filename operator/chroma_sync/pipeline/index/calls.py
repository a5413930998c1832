"""Calls of Chroma: tried again while the server is in trouble, and explained when they fail.

What an error means is told by its type and its HTTP status. Words count only in an error of
Chroma's own type.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from json import JSONDecodeError
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary, Unusable
from chroma_sync.pipeline.index.session import Exchange, ForeignAnswer

T = TypeVar("T")
_BACKOFF_FIRST: Final = 0.2  # seconds
_BACKOFF_LAST: Final = 5.0
_SAID_MAX: Final = 300  # characters of an error that are shown to people
# What a server, or a gateway before it, answers to credentials that it does not take.
_NOT_LET_IN: Final = frozenset({401, 403, 407})
# What it may answer because of the very bytes that were sent. For 403: a firewall of web requests.
_OF_CONTENT: Final = frozenset({400, 403, 406, 413, 414, 415, 422, 431, 451})
_TOO_LARGE: Final = 413


class Refused(Unusable):
    """The server, or the client itself, does not take what a write holds. Another write may pass,
    and this one too if it was only trouble: only a control can tell."""

    def __init__(self, message: str, *, too_large: bool) -> None:
        super().__init__(Reason.INTERNAL_ERROR, message)
        self.too_large = too_large


@dataclass(frozen=True)
class Missing:
    """What it means that something is not found, and what to do."""

    reason: Reason
    advice: str


DATABASE_MISSING: Final = Missing(
    Reason.DATABASE_NOT_FOUND,
    "Tenants and databases are never created on the side: create what is missing, or correct "
    "spec.chroma.tenant (chroma.tenant of the chart where the Source has no spec.chroma) or "
    "spec.databaseName.",
)
EMBEDDED_DATABASE_MISSING: Final = Missing(
    Reason.DATABASE_NOT_FOUND,
    "Databases are never created on the side, and a new folder has default_database only: leave "
    "spec.databaseName out, or --database of a query.",
)
COLLECTION_GONE: Final = Missing(
    Reason.RUN_LOST,
    "Someone deleted the collection during the run. Apply the Invocation again.",
)

_SERVER_ADVICE: Final = "Check that the server runs and that its address is right."
_FOLDER_ADVICE: Final = (
    "Check that you may write to the folder and its files, that the disk is not full, and that no "
    "other program uses them. If the files are damaged, name another folder."
)


@dataclass(frozen=True)
class Calls:
    """Does things at a server again and again while its trouble looks temporary, for `seconds` at
    most. `on_wait` is told the trouble, then an empty text when it is over. `reached` is set once
    any call has succeeded: from then on credentials that are refused are trouble as well."""

    where: str
    seconds: float
    sleep: Callable[[float], None]
    on_wait: Callable[[str], None]
    missing: Missing = DATABASE_MISSING
    trouble_advice: str = _SERVER_ADVICE
    token_advice: str = ""
    exchange: Exchange = field(default_factory=Exchange)
    reached: Event = field(default_factory=Event)

    @classmethod
    def embedded(cls, path: Path, database: str) -> Calls:
        """Those of a Chroma inside this process, with its files in a folder: no server is waited
        for."""
        return cls(
            *(f"the folder {path}, database {database!r}", 0.0, time.sleep, lambda _: None),
            missing=EMBEDDED_DATABASE_MISSING,
            trouble_advice=_FOLDER_ADVICE,
        )

    def call(self, action: Callable[[], T], *, is_write: bool = False) -> T:
        """Raises `StepError` when the trouble stays, or is none that goes away; at once `Refused`
        when what is written may be to blame. What the client does not take is raised as it is."""
        give_up_at = time.monotonic() + self.seconds
        pause, waited = _BACKOFF_FIRST, False
        while True:
            self.exchange.answered = False
            try:
                result = action()
            except Exception as error:
                explained = self._explain(error, is_write)
                if explained is None:
                    raise
                if not isinstance(explained, Temporary) or time.monotonic() + pause > give_up_at:
                    raise explained from error
            else:
                self.reached.set()
                if waited:
                    self.on_wait("")
                return result
            self.on_wait(str(explained))
            waited = True
            self.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _BACKOFF_LAST)

    def _explain(self, error: Exception, is_write: bool) -> StepError | None:
        """What an exception of a call means for the step; None for what the client does not take
        of a call that is no write, which is a fault of the program."""
        import httpx
        from chromadb.errors import ChromaError

        said = str(error).strip().splitlines()[:1] or [type(error).__name__]
        text = f"Chroma at {self.where}: {said[0][:_SAID_MAX]}"
        if isinstance(error, StepError):  # a token that can't be read
            return error
        if isinstance(error, ForeignAnswer):
            return self._of_status(error.status, text, is_write)
        if isinstance(error, ChromaError):
            return self._of_chroma(error, text, is_write)
        if isinstance(error, httpx.InvalidURL):
            return Misconfigured(Reason.CHROMA_UNAVAILABLE, f"{text}. Correct the address.")
        if isinstance(error, httpx.HTTPError):
            return self._trouble(text)
        if self.exchange.answered or isinstance(error, JSONDecodeError):
            return self._trouble(f"Chroma at {self.where}: the answer is none of Chroma's own")
        if is_write and isinstance(error, ValueError | TypeError):
            return Refused(text, too_large=False)
        return None

    def _of_status(self, status: int, text: str, is_write: bool) -> StepError:
        if is_write and status in _OF_CONTENT:
            return Refused(f"{text}.", too_large=status == _TOO_LARGE)
        if status in _NOT_LET_IN:
            return self._not_let_in(text)
        return self._trouble(text)

    def _of_chroma(self, error: Exception, text: str, is_write: bool) -> StepError:
        """What an error of Chroma's own type means, which it may also raise in this process."""
        from chromadb import errors

        if isinstance(error, errors.NotFoundError):
            return Misconfigured(self.missing.reason, f"{text}. {self.missing.advice}")
        if isinstance(error, errors.AuthorizationError | errors.ChromaAuthError):
            return self._not_let_in(text)
        of_input = errors.InvalidArgumentError | errors.InvalidDimensionException
        if isinstance(error, of_input) and "dimension" in str(error):
            return Misconfigured(Reason.COLLECTION_MODEL_MISMATCH, text)
        if isinstance(error, of_input | errors.DuplicateIDError | errors.BatchSizeExceededError):
            too_large = isinstance(error, errors.BatchSizeExceededError)
            refused = Refused(f"{text}.", too_large=too_large)
            return refused if is_write else Unusable(Reason.INTERNAL_ERROR, text)
        if isinstance(error, errors.QuotaError):
            return Unusable(Reason.INTERNAL_ERROR, text)
        return self._trouble(text)

    def _not_let_in(self, text: str) -> StepError:
        kind = Temporary if self.reached.is_set() else Misconfigured
        return kind(Reason.CREDENTIALS_REJECTED, f"{text}. {self.token_advice}".rstrip())

    def _trouble(self, text: str) -> Temporary:
        return Temporary(Reason.CHROMA_UNAVAILABLE, f"{text}. {self.trouble_advice}")
