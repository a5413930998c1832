"""What a Git host's refusal means, and what to do about it: pure functions over its answers.

Sources: GitHub's REST documentation, "Rate limits for the REST API" and "Troubleshooting the REST
API"; RFC 9110, Retry-After; gitprotocol-http(5). git shows only the number of an HTTP status, so
the worker asks once more itself when git has failed.
"""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from chroma_sync.api.contract import RETRY_AFTER_MAX
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, RateLimited, StepError, Temporary
from chroma_sync.pipeline.fetch.git.access import Access
from chroma_sync.pipeline.fetch.git.http import Answer

# GitHub on its secondary limits: without another word wait at least a minute.
_PAUSE_SECONDS: Final = 60.0
_SSO: Final = re.compile(r"SAML (SSO|enforcement|single sign)", re.IGNORECASE)
_ADVERTISEMENT: Final = "application/x-git-upload-pack-advertisement"
_WORDS_MAX: Final = 200


def explained(answer: Answer, url: str, access: Access, now: float) -> StepError | None:
    """Why a host does not let a repository be read; None when it does. `now` is in seconds since
    1970."""
    if answer.status == 200 and _media_type(answer) == _ADVERTISEMENT:
        return None
    if answer.status in (200, 203):
        return Misconfigured(Reason.REPOSITORY_NOT_FOUND, f"{url}: {_NO_GIT}")
    if answer.is_redirect and _path(answer.headers.get("location", "")).endswith("/info/refs"):
        return Misconfigured(Reason.REPOSITORY_MOVED, f"{url}: {_MOVED}")
    special = general_failure(answer, url, now)
    if special is not None:
        return special
    # A redirect to any other page is one to a page for logging in.
    if answer.is_redirect or answer.status in (401, 403, 404, 410, 451):
        return _refused(answer, url, access)
    return unavailable(answer, url)


def general_failure(answer: Answer, url: str, now: float) -> StepError | None:
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
    """An answer that tells of trouble at the host, or on the way to it."""
    if answer.status == 407:
        return Temporary(Reason.HOST_UNREACHABLE, f"{url}: the proxy on the way asks for a login.")
    message = f"{url}: the host answers with HTTP status {answer.status}."
    advice = "Check spec.github.baseUrl; if it is right, the host is in trouble."
    return Temporary(Reason.HOST_UNREACHABLE, f"{message} {advice}")


def own_words(answer: Answer) -> str:
    """What the host says for people, as a sentence to be put behind ours; empty when it says
    nothing, or a whole page."""
    said = answer.fields.get("message")
    if not isinstance(said, str):
        said = answer.text if _media_type(answer) == "text/plain" else ""
    words = " ".join(said.split())[:_WORDS_MAX].rstrip(".")
    return f" It says: {words}." if words else ""


def asked_wait(answer: Answer, now: float) -> float | None:
    """For how many seconds the host asks to be left alone; None when it does not."""
    headers = answer.headers
    used_up = headers.get("x-ratelimit-remaining") == "0"
    slow_down = "rate limit" in answer.text.lower()
    retry_after = headers.get("retry-after", "")
    forbids_for_now = answer.status == 403 and (used_up or slow_down or retry_after)
    if answer.status != 429 and not forbids_for_now:
        return None
    reset = headers.get("x-ratelimit-reset", "")
    if retry_after:
        wait = _seconds(retry_after, now)
    elif used_up and reset.isdecimal():
        wait = int(reset[:12]) - now
    else:
        wait = _PAUSE_SECONDS
    return float(min(max(math.ceil(wait), 1), RETRY_AFTER_MAX))


def clock_skew(answer: Answer, now: float) -> float:
    """By how many seconds the clock here is ahead of the host's; 0 when the host does not tell."""
    try:
        return now - parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return 0.0


def _seconds(retry_after: str, now: float) -> float:
    """A Retry-After: seconds, or a date."""
    if retry_after.isdecimal():
        return float(int(retry_after[:9]))
    try:
        return parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return _PAUSE_SECONDS


def _media_type(answer: Answer) -> str:
    """What the body is, without parameters. Source: RFC 9110, 8.3.1, which ignores case."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _refused(answer: Answer, url: str, access: Access) -> StepError:
    if access.secret is None:
        advice = _ABSENT if answer.status in (404, 410, 451) else _PRIVATE
        return Misconfigured(Reason.REPOSITORY_NOT_FOUND, f"{url}: {advice}")
    names = {"secret": access.secret, "words": own_words(answer)}
    if answer.status == 401 and access.is_app:
        # A new one may not yet hold everywhere; the next pod asks for another.
        message = f"{url}: the host does not take the token that it has just issued to the App."
        return Temporary(Reason.CREDENTIALS_REJECTED, message)
    if answer.status == 401 or answer.is_redirect:
        message = _REJECTED.format(**names)
        return Misconfigured(Reason.CREDENTIALS_REJECTED, f"{url}: {message}")
    if answer.status == 403:
        message = _FORBIDDEN.format(**names)
        return Misconfigured(Reason.PERMISSION_MISSING, f"{url}: {message}")
    message = _HIDDEN.format(**names)
    return Misconfigured(Reason.REPOSITORY_NOT_FOUND, f"{url}: {message}")


_NO_GIT: Final = (
    "something answers there, but not as a Git host does. Check spec.github.baseUrl and "
    "spec.github.repository."
)
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
    "the host forbids the credentials in Secret {secret!r} to read the repository (403).{words} "
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
