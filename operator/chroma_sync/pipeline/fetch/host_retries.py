"""How long a host of documents is waited for: one that asks for it, and one in trouble."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from chroma_sync.api.contract import RETRY_AFTER_MAX
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, RateLimited, StepError

T = TypeVar("T")
# A host's limit lasts for its hour at most; another one may follow at once.
RATE_LIMIT_SECONDS: Final = 2.0 * RETRY_AFTER_MAX
_BACKOFF_FIRST: Final = 0.2  # seconds
_BACKOFF_LAST: Final = 5.0
# What the host says of itself or of the login. A proxy that starts, or a host in trouble, may say
# the same for a while.
_HOSTS_WORDS: Final = frozenset(
    {
        *(Reason.REPOSITORY_NOT_FOUND, Reason.REPOSITORY_MOVED, Reason.CERTIFICATE_NOT_TRUSTED),
        *(Reason.CREDENTIALS_REJECTED, Reason.PERMISSION_MISSING, Reason.BUCKET_NOT_FOUND),
    }
)


def _nobody(_: Reason) -> Callable[[str], None]:
    return lambda _: None


@dataclass
class HostRetries:
    """For how many seconds a host's rate limits are waited for, all in all, and for how many one
    trouble. `waits` gives who is told meanwhile for a reason: the host's words, then an empty text.
    """

    rate_limit_seconds: float = 0.0
    outage_seconds: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    waits: Callable[[Reason], Callable[[str], None]] = _nobody
    _has_answered: bool = field(default=False, init=False)

    def call(self, action: Callable[[], T]) -> T:
        """Ask the host for something, again and again if need be. Raises the `StepError` that is
        left when that time is used up, or that no wait would end."""
        pause, give_up_at = _BACKOFF_FIRST, None
        tell = self.waits(Reason.HOST_UNREACHABLE)
        while True:
            try:
                result = action()
                break
            except RateLimited as limit:
                self._wait_as_asked(limit)
                continue
            except StepError as error:
                give_up_at = give_up_at or time.monotonic() + self.outage_seconds
                if not self._may_end(error) or time.monotonic() + pause > give_up_at:
                    raise
                tell(str(error))
            self.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _BACKOFF_LAST)
        if give_up_at is not None:
            tell("")
        self._has_answered = True
        return result

    def _may_end(self, error: StepError) -> bool:
        """Whether the host may say something else soon. After it has been well in this process, so
        may one that refuses."""
        if isinstance(error, Misconfigured):
            return self._has_answered and error.reason in _HOSTS_WORDS
        return error.reason is Reason.HOST_UNREACHABLE

    def _wait_as_asked(self, limit: RateLimited) -> None:
        self.rate_limit_seconds -= limit.seconds
        if self.rate_limit_seconds < 0:
            raise limit
        tell = self.waits(Reason.RATE_LIMITED)
        tell(str(limit))
        self.sleep(limit.seconds)
        tell("")
