"""What a Git host's refusal means, and what to do about it: pure functions over its answers.

Sources: GitHub's REST documentation, "Rate limits for the REST API" and "Troubleshooting the REST
API"; RFC 9110, Retry-After. git shows only the number of an HTTP status, so the worker asks once
more itself when git has failed.
"""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

from chroma_sync.api.contract import RETRY_AFTER_MAX
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, RateLimited, StepError, Temporary
from chroma_sync.pipeline.fetch.access import Access
from chroma_sync.pipeline.fetch.http import Answer

# GitHub on its secondary limits: without another word wait at least a minute.
_PAUSE_SECONDS: Final = 60.0
_SSO: Final = re.compile(r"SAML (SSO|enforcement|single sign)", re.IGNORECASE)


def explained(answer: Answer, url: str, access: Access, now: float) -> StepError | None:
    """Why a host does not let a repository be read; None when it does. `now` is in seconds since
    1970."""
    if answer.status == 200:
        return None
    if answer.is_redirect:
        return Misconfigured(Reason.REPOSITORY_MOVED, f"{url}: {_MOVED}")
    special = general_refusal(answer, url, now)
    if special is not None:
        return special
    if answer.status in (401, 403, 404, 410, 451):
        return _refused(answer, url, access)
    return unavailable(answer, url)


def general_refusal(answer: Answer, url: str, now: float) -> StepError | None:
    """What any of a host's doors may say: wait, or log in through the organization's SSO."""
    wait = asked_wait(answer, now)
    if wait is not None:
        until = time.strftime("%H:%M:%S UTC", time.gmtime(now + wait))
        message = f"{url}: the host asks to wait {wait:.0f} s, until {until}: its rate limit is"
        return RateLimited(f"{message} used up.", wait)
    if answer.status == 403 and ("x-github-sso" in answer.headers or _SSO.search(answer.text)):
        return Misconfigured(Reason.SSO_REQUIRED, f"{url}: {_SSO_ADVICE}")
    return None


def unavailable(answer: Answer, url: str) -> StepError:
    """An answer that tells of trouble at the host."""
    message = f"{url}: the host answers with HTTP status {answer.status}."
    advice = "Check spec.github.baseUrl; if it is right, the host is in trouble: we try again."
    return Temporary(Reason.HOST_UNREACHABLE, f"{message} {advice}")


def asked_wait(answer: Answer, now: float) -> float | None:
    """For how many seconds the host asks to be left alone; None when it does not."""
    headers = answer.headers
    used_up = headers.get("x-ratelimit-remaining") == "0"
    slow_down = answer.status == 403 and "rate limit" in answer.text.lower()
    told = headers.get("retry-after", "")
    limited = answer.status == 429 or (
        answer.status == 403 and (used_up or slow_down or bool(told))
    )
    if not limited:
        return None
    reset = headers.get("x-ratelimit-reset", "")
    if told:
        wait = _seconds(told, now)
    elif used_up and reset.isdecimal():
        wait = int(reset) - now
    else:
        wait = _PAUSE_SECONDS
    return float(min(max(math.ceil(wait), 1), RETRY_AFTER_MAX))


def clock_skew(answer: Answer, now: float) -> float:
    """By how many seconds the clock here is ahead of the host's; 0 when the host does not tell."""
    try:
        return now - parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0


def _seconds(retry_after: str, now: float) -> float:
    """A Retry-After: seconds, or a date."""
    if retry_after.isdecimal():
        return float(int(retry_after[:9]))
    try:
        return parsedate_to_datetime(retry_after).timestamp() - now
    except ValueError:
        return _PAUSE_SECONDS


def _refused(answer: Answer, url: str, access: Access) -> StepError:
    if access.secret is None:
        advice = _PRIVATE if answer.status in (401, 403) else _ABSENT
        return Misconfigured(Reason.REPOSITORY_NOT_FOUND, f"{url}: {advice}")
    if answer.status == 401 and access.is_app:
        # It was issued a moment ago, and does not yet hold everywhere.
        message = f"{url}: the host does not take the token that it has just issued to the App."
        return Temporary(Reason.CREDENTIALS_REJECTED, message)
    if answer.status == 401:
        message = _REJECTED.format(secret=access.secret)
        return Misconfigured(Reason.CREDENTIALS_REJECTED, f"{url}: {message}")
    if answer.status == 403:
        message = _FORBIDDEN.format(secret=access.secret)
        return Misconfigured(Reason.PERMISSION_MISSING, f"{url}: {message}")
    message = _HIDDEN.format(secret=access.secret)
    return Misconfigured(Reason.REPOSITORY_NOT_FOUND, f"{url}: {message}")


_MOVED: Final = (
    "the host sends us elsewhere: the repository was renamed or moved, or the host has another "
    "address. Write its present name and address into a new Source."
)
_PRIVATE: Final = (
    "the host asks for a login: the repository does not exist or is private. Check "
    "spec.github.repository; for a private one name a Secret in spec.github.credentialsSecretRef."
)
_ABSENT: Final = (
    "the host has no such repository. Check spec.github.repository and spec.github.baseUrl; for a "
    "private one name a Secret in spec.github.credentialsSecretRef."
)
_REJECTED: Final = (
    "the host does not accept the credentials in Secret {secret!r}: the token has expired, was "
    "revoked, or is mistyped. Put a new one into the Secret."
)
_FORBIDDEN: Final = (
    "the host knows the credentials in Secret {secret!r}, but they may not read the repository. "
    "Give them the right to read its contents."
)
_HIDDEN: Final = (
    "the host has no such repository, or hides it from the credentials in Secret {secret!r}. Check "
    "spec.github.repository, and that they may read it."
)
_SSO_ADVICE: Final = (
    "the organization wants single sign-on (SSO). Authorize the token for the organization: on "
    "GitHub under Settings, Developer settings, tokens, Configure SSO."
)
