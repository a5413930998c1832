"""Access through a GitHub App: a key becomes a token for one repository, `contents: read` only.

The only module that imports PyGithub, and only for the App's signed claim (JWT). Its requests
follow redirects of the host in silence, repeat a 202 without end, and can't ask for a token of one
repository; ours do what is needed.

Source: GitHub's REST documentation, "Get a repository installation for the authenticated app" and
"Create an installation access token for an app".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from chroma_sync.api.contract import SecretKey
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError
from chroma_sync.pipeline.fetch.git.access import TOKEN_USER, Login, basic_login
from chroma_sync.pipeline.fetch.git.failures import (
    clock_skew,
    general_failure,
    own_words,
    unavailable,
)
from chroma_sync.pipeline.fetch.git.http import Answer, TlsSettings
from chroma_sync.pipeline.secrets import NamedSecret

# A token lives for an hour. One that is handed out holds for as long as a host takes to begin.
_RENEW_SECONDS: Final = 600.0
# What GitHub bears between the clocks; the claim begins a minute ago.
_SKEW_SECONDS: Final = 60.0
_READ: Final = {"contents": "read"}


@dataclass(frozen=True)
class _Token:
    login: Login = field(repr=False)
    expires: float  # seconds since 1970


class AppAccess:
    """Logs in as the installation of an App on one repository, `owner/name`.

    A token is made when one is first needed and renewed before it expires."""

    is_app = True

    def __init__(
        self,
        base_url: str,
        repository: str,
        app_id: str,
        secret: NamedSecret,
        tls: TlsSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api_url(base_url)
        self._repository = repository.removesuffix(".git")
        self._app_id = app_id
        self._secret = secret
        self._tls = tls
        self._clock = clock
        self._token: _Token | None = None
        self.secret = secret.name

    def login(self) -> Login:
        if self._token is None or self._token.expires - self._clock() < _RENEW_SECONDS:
            self._token = self._new_token()
        return self._token.login

    def forget(self) -> None:
        self._token = None

    def _new_token(self) -> _Token:
        claim = self._claim()
        installation = self._installation(claim)
        answer = self._ask(
            "POST",
            f"/app/installations/{installation}/access_tokens",
            claim,
            {"repositories": [self._repository.partition("/")[2]], "permissions": _READ},
        )
        token, expires = answer.fields.get("token"), _moment(answer.fields.get("expires_at"))
        if answer.status != 201 or not isinstance(token, str) or expires is None:
            raise self._refused(answer)
        return _Token(basic_login(TOKEN_USER, token), expires)

    def _installation(self, claim: str) -> int:
        """The id of the App's installation that sees the repository. Raises `StepError`."""
        answer = self._ask("GET", f"/repos/{self._repository}/installation", claim)
        found = answer.fields
        if answer.status != 200 or not isinstance(found.get("id"), int):
            raise self._refused(answer)
        if found.get("suspended_at"):
            raise self._error(Reason.APP_SUSPENDED, _SUSPENDED)
        permissions = found.get("permissions")
        if not isinstance(permissions, Mapping) or "contents" not in permissions:
            raise self._error(Reason.PERMISSION_MISSING, _NO_PERMISSION)
        return int(found["id"])

    def _ask(self, method: str, path: str, claim: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {claim}", "Accept": "application/vnd.github+json"}
        return self._tls.ask(method, f"{self._api}{path}", headers, body)

    def _claim(self) -> str:
        """A signed claim to be the App, good for five minutes."""
        from github.Auth import AppAuth

        key = self._secret.value(SecretKey.PRIVATE_KEY)
        try:
            return AppAuth(self._app_id, key).token
        except Exception:  # of three libraries; never its own words, which may hold the key
            raise self._error(Reason.APP_KEY_INVALID, _NO_KEY) from None

    def _refused(self, answer: Answer) -> StepError:
        """Why the API did not do as it was asked."""
        now, said = self._clock(), str(answer.fields.get("message", "")).lower()
        special = general_failure(answer, self._api, now)
        if special is not None:
            return special
        if answer.is_redirect:
            return self._error(Reason.REPOSITORY_MOVED, _MOVED)
        if answer.status == 401:
            return self._claim_refused(said, clock_skew(answer, now))
        if answer.status == 404 and "integration" in said:
            return self._error(Reason.APP_KEY_INVALID, _NO_APP)
        if answer.status == 403 and "suspended" in said:
            return self._error(Reason.APP_SUSPENDED, _SUSPENDED)
        if answer.status == 404 or (answer.status == 422 and "repositor" in said):
            return self._error(Reason.APP_NOT_INSTALLED, _NOT_INSTALLED)
        if answer.status in (403, 422):
            return self._error(Reason.PERMISSION_MISSING, _FORBIDDEN, own_words(answer))
        return unavailable(answer, self._api)

    def _claim_refused(self, said: str, skew: float) -> StepError:
        speaks_of_time = any(word in said for word in ("'exp'", "'iat'", "expiration", "issued at"))
        if abs(skew) < _SKEW_SECONDS and not speaks_of_time:
            return self._error(Reason.APP_KEY_INVALID, _WRONG_KEY)
        ahead = "ahead of" if skew >= 0 else "behind"
        known = f" It is {abs(skew):.0f} s {ahead} the host's." if abs(skew) >= 1 else ""
        return self._error(Reason.CLOCK_SKEW, _SKEW, known)

    def _error(self, reason: Reason, message: str, more: str = "") -> Misconfigured:
        names = {"app": self._app_id, "repository": self._repository, "secret": self.secret}
        return Misconfigured(reason, f"{self._api}: {message.format(**names)}{more}")


def _moment(text: object) -> float | None:
    """A time in ISO 8601 as seconds since 1970; None when it is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def api_url(base_url: str) -> str:
    """Where a GitHub's REST API is: GitHub itself, GitHub with data residency (ghe.com), or a
    GitHub Enterprise Server. Source: GitHub's REST documentation, "Getting started"."""
    host = urlsplit(base_url).hostname or ""
    if host == "github.com":
        return "https://api.github.com"
    if host.endswith(".ghe.com"):
        return f"https://api.{host}"
    return f"{base_url.rstrip('/')}/api/v3"


_NOT_INSTALLED: Final = (
    "GitHub App {app} is not installed on {repository}, or there is no such repository. Install "
    "the App on it, and check spec.github.repository."
)
_SUSPENDED: Final = (
    "the installation of GitHub App {app} on {repository} is suspended. Unsuspend it in the "
    "settings of the repository's owner, under GitHub Apps."
)
_NO_PERMISSION: Final = (
    "GitHub App {app} may not read the contents of {repository}. Give the App the permission "
    "Contents: read, and accept it in the settings of the repository's owner."
)
_FORBIDDEN: Final = (
    "the host forbids GitHub App {app} to read the contents of {repository}. See that the App has "
    "the permission Contents: read, and that the repository's owner has accepted it."
)
_NO_KEY: Final = (
    "the privateKey in Secret {secret!r} is not a private key in PEM form. Put in the whole file "
    "that GitHub made for App {app}, from its BEGIN line to its END line."
)
_WRONG_KEY: Final = (
    "the host does not accept the privateKey in Secret {secret!r} for GitHub App {app}. Put in a "
    "key that stands in the App's settings, and check spec.github.appId."
)
_NO_APP: Final = "the host knows no GitHub App {app}. Check spec.github.appId."
_MOVED: Final = (
    "the host sends us elsewhere: {repository} was renamed or moved. Write its present name into a "
    "new Source."
)
_SKEW: Final = (
    "the host refuses what GitHub App {app} signed because of its time. Set this machine's clock."
)
