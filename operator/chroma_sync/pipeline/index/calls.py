"""Calls of Chroma: tried again while the server is in trouble, and explained when they fail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary, Unusable

T = TypeVar("T")
_BACKOFF_FIRST: Final = 0.2  # seconds
_BACKOFF_LAST: Final = 5.0
# What chromadb never raises for a server's sake: trying again would hide a fault of the program.
_FAULTS: Final = (TypeError, AttributeError, LookupError, AssertionError, NameError)


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
_REFUSED_ADVICE: Final = (
    "Check the token in the Secret that spec.chroma.tokenSecretRef of the Source names, or, where "
    "the Source has no spec.chroma, in the one that chroma.tokenSecret of the chart names."
)


@dataclass(frozen=True)
class Calls:
    """Does things at a server again and again while its trouble looks temporary, for `seconds` at
    most. `on_wait` is told the trouble, then an empty text when it is over."""

    where: str
    seconds: float
    sleep: Callable[[float], None]
    on_wait: Callable[[str], None]
    missing: Missing = DATABASE_MISSING
    trouble_advice: str = _SERVER_ADVICE

    @classmethod
    def embedded(cls, path: Path, database: str) -> Calls:
        """Those of a Chroma inside this process, with its files in a folder: no server is waited
        for."""
        return cls(
            *(f"the folder {path}, database {database!r}", 0.0, time.sleep, lambda _: None),
            missing=EMBEDDED_DATABASE_MISSING,
            trouble_advice=_FOLDER_ADVICE,
        )

    def call(self, action: Callable[[], T]) -> T:
        """Raises `StepError` when the trouble stays, or is none that goes away."""
        give_up_at = time.monotonic() + self.seconds
        pause, waited = _BACKOFF_FIRST, False
        while True:
            try:
                result = action()
                if waited:
                    self.on_wait("")
                return result
            except _FAULTS:
                raise
            except Exception as error:
                explained = self._explain(error)
                if not isinstance(explained, Temporary) or time.monotonic() + pause > give_up_at:
                    raise explained from error
            self.on_wait(str(explained))
            waited = True
            self.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _BACKOFF_LAST)

    def _explain(self, error: Exception) -> StepError:
        """What an exception of chromadb means for the step."""
        from chromadb import errors

        said = str(error).strip().splitlines()[:1] or [type(error).__name__]
        text = f"Chroma at {self.where}: {said[0][:300]}"
        if isinstance(error, errors.NotFoundError):
            return Misconfigured(self.missing.reason, f"{text}. {self.missing.advice}")
        if isinstance(error, errors.AuthorizationError | errors.ChromaAuthError):
            return Misconfigured(Reason.CREDENTIALS_REJECTED, f"{text}. {_REFUSED_ADVICE}")
        if isinstance(error, errors.InvalidDimensionException) or "dimension" in said[0]:
            return Misconfigured(Reason.COLLECTION_MODEL_MISMATCH, text)
        if isinstance(
            error, errors.InvalidArgumentError | errors.BatchSizeExceededError | errors.QuotaError
        ):
            return Unusable(Reason.INTERNAL_ERROR, text)
        return Temporary(Reason.CHROMA_UNAVAILABLE, f"{text}. {self.trouble_advice}")
