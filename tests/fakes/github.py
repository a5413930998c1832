"""A GitHub of few lines: private repositories behind a real `git http-backend`, and the two doors
of its REST API through which an App comes to a token.

What is checked is checked for real: the signature, age and issuer of an App's claim (JWT), an
installation's permissions, and with each request to git the token, its expiry and its repository.
Messages and statuses are those of GitHub's REST documentation. Tests change `State`, in this
process; in the cluster they add to it by `POST /_test/state`.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from fakes.certificates import Certificates, certificates
from fakes.git_host import GitHost, Handler
from fakes.running import running

HTTPS_PORT = 8443
HTTP_PORT = 8080
_CLAIM_SECONDS_MAX = 600
_SKEW_SECONDS = 60


@dataclass
class Installation:
    """An App on some repositories."""

    app: str
    repositories: list[str]
    permissions: dict[str, str] = field(default_factory=lambda: {"contents": "read"})
    suspended: bool = False


@dataclass
class Token:
    """What a token opens. A person's own tokens do not expire here."""

    repositories: list[str]
    contents: bool = True
    expires: float = float("inf")


@dataclass
class State:
    """All that the host knows."""

    public: list[str] = field(default_factory=list)
    apps: dict[str, str] = field(default_factory=dict)  # id to public key, PEM
    installations: list[Installation] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)  # of users, who may read everything
    renamed: dict[str, str] = field(default_factory=dict)
    suffix: bool = False  # repositories are at their name with `.git`, as on GitLab
    sso: bool = False
    ahead: float = 0.0  # of the clock here, in seconds
    api_limited: int = 0  # so many more requests are over the API's rate limit
    git_limited: int = 0
    wait: int = 1  # seconds that a limit lasts
    token_seconds: float = 3600.0  # how long an App's token lives
    authority: str = ""  # whose certificate proves the host, PEM
    redirect: str = ""  # everything is elsewhere
    redirect_posts: str = ""  # only what is posted
    forbid_posts: bool = False
    issued: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # what tokens were asked for, as JSON

    def now(self) -> float:
        """The host's time."""
        return time.time() + self.ahead

    def merge(self, change: dict[str, Any]) -> None:
        """Set fields, given as JSON."""
        for name, value in change.items():
            setattr(self, name, _MAKERS.get(name, lambda v: v)(value))

    def add(self, more: dict[str, Any]) -> None:
        """Add to what is known, given as JSON: tests side by side have Apps and tokens of their
        own."""
        self.apps |= more.get("apps", {})
        self.tokens |= _MAKERS["tokens"](more.get("tokens", {}))
        self.installations += _MAKERS["installations"](more.get("installations", []))


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "installations": lambda v: [Installation(**i) for i in v],
    "tokens": lambda v: {token: Token(**t) for token, t in v.items()},
}


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _GithubHandler(Handler):
    server: GithubHost

    def serve(self) -> None:
        state, path = self.server.state, urlsplit(self.path).path
        try:
            elsewhere = state.redirect or (self.command == "POST" and state.redirect_posts)
            if elsewhere:
                raise Refused(307, "elsewhere", Location=f"{elsewhere}{self.path}")
            if state.forbid_posts and self.command == "POST":
                raise Refused(403, "Not from here.")
            if path.startswith("/api/v3/"):
                self._answer(*self._api(path.removeprefix("/api/v3"), state))
            elif path.startswith("/_test/"):
                self._test(path, state)
            else:
                self._admit(path, state)
                self.path = self.path.replace(".git/", "/", 1)
                self.serve_git()
        except Refused as refusal:
            self._answer(refusal.status, {"message": str(refusal)}, refusal.headers)

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")  # what was sent with a refused request is unread
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of every answer, by the host's own clock."""
        return super().date_time_string(timestamp or self.server.state.now())

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def _test(self, path: str, state: State) -> None:
        if self.command == "POST":
            state.add(self._body())
        self._answer(200, {"issued": state.issued, "authority": state.authority})

    # The REST API

    def _api(self, path: str, state: State) -> tuple[int, Any]:
        body = self._body()
        if state.api_limited:
            state.api_limited -= 1
            reset = str(int(state.now()) + state.wait)
            limit = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": reset}
            raise Refused(403, "API rate limit exceeded for installation.", **limit)
        app = self._app(state)
        match path.strip("/").split("/"):
            case ["repos", owner, name, "installation"] if self.command == "GET":
                return 200, self._installation(app, f"{owner}/{name}", state)
            case ["app", "installations", number, "access_tokens"] if self.command == "POST":
                return 201, _token(state, int(number), app, body)
        raise Refused(404, "Not Found")

    def _app(self, state: State) -> str:
        """The App that a claim is signed by, if all is right with it."""
        kind, _, claim = self.headers.get("Authorization", "").partition(" ")
        try:
            issuer = str(jwt.decode(claim, options={"verify_signature": False})["iss"])
            if issuer not in state.apps:
                raise Refused(404, "Integration not found")
            said = jwt.decode(
                claim,
                state.apps[issuer],
                algorithms=["RS256"],
                # Times are looked at below, by the host's own clock.
                options={"verify_exp": False, "verify_iat": False},
            )
            issued, expires = int(said["iat"]), int(said["exp"])
        except (jwt.PyJWTError, KeyError, ValueError):
            raise Refused(401, "A JSON web token could not be decoded") from None
        now = state.now()
        if kind.lower() != "bearer":
            raise Refused(401, "A JSON web token could not be decoded")
        if expires <= now:
            raise Refused(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future "
                "time at which the assertion expires",
            )
        if expires > now + _CLAIM_SECONDS_MAX:
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
        if issued > now + _SKEW_SECONDS:
            raise Refused(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the "
                "assertion was issued",
            )
        return issuer

    def _installation(self, app: str, repository: str, state: State) -> dict[str, Any]:
        if repository in state.renamed:
            raise Refused(301, "Moved Permanently", Location="/api/v3/repositories/1/installation")
        for number, found in enumerate(state.installations):
            if found.app == app and repository in found.repositories:
                since = "2026-01-01T00:00:00Z" if found.suspended else None
                return {"id": number, "suspended_at": since, "permissions": found.permissions}
        raise Refused(404, "Not Found")

    # git

    def _admit(self, path: str, state: State) -> None:
        """Let a request through to git, or not."""
        owner, name, *rest = path.strip("/").split("/")
        repository = f"{owner}/{name}"
        if repository in state.renamed:
            raise Refused(301, "moved", Location=f"/{state.renamed[repository]}/{'/'.join(rest)}")
        if state.suffix and not name.endswith(".git"):
            query = f"?{urlsplit(self.path).query}"
            raise Refused(301, "moved", Location=f"/{owner}/{name}.git/{'/'.join(rest)}{query}")
        repository = repository.removesuffix(".git")
        if state.git_limited:
            state.git_limited -= 1
            raise Refused(429, "Too many requests", Retry_After=str(state.wait))
        if repository in state.public:
            return
        user, password = _basic(self.headers.get("Authorization", ""))
        token = state.tokens.get(password)
        if state.passwords.get(user) == password and password:
            return
        if token is None or token.expires <= state.now():
            raise Refused(401, "Bad credentials", WWW_Authenticate='Basic realm="GitHub"')
        if repository not in token.repositories:
            raise Refused(404, "Repository not found.")
        if state.sso:
            said = "The organization has enabled or enforced SAML SSO."
            raise Refused(403, said, X_GitHub_SSO="required; url=https://example.org/sso")
        if not token.contents:
            raise Refused(403, "Write access to repository not granted.")


def _token(state: State, number: int, app: str, body: Any) -> dict[str, Any]:
    """Issue a token of an installation, for what is asked and no more."""
    if number >= len(state.installations) or state.installations[number].app != app:
        raise Refused(404, "Not Found")
    found = state.installations[number]
    state.asked.append(json.dumps(body, sort_keys=True))
    if found.suspended:
        raise Refused(403, "This installation has been suspended")
    asked = body.get("permissions") or found.permissions
    if any(found.permissions.get(name) not in (level, "write") for name, level in asked.items()):
        raise Refused(422, "The permissions requested are not granted to this installation.")
    names = body.get("repositories")
    chosen = [r for r in found.repositories if names is None or r.partition("/")[2] in names]
    if names is not None and len(chosen) != len(names):
        raise Refused(
            422,
            "There is at least one repository that does not exist or is not accessible to the "
            "parent installation.",
        )
    token, expires = f"ghs_{secrets.token_hex(18)}", state.now() + state.token_seconds
    state.tokens[token] = Token(chosen, "contents" in asked, expires)
    state.issued.append(token)
    at = datetime.fromtimestamp(expires, UTC)
    return {"token": token, "expires_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}


def _basic(header: str) -> tuple[str, str]:
    kind, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, password) if kind.lower() == "basic" else ("", "")


class GithubHost(GitHost):
    """The server. `certificates` make it speak https."""

    def __init__(
        self,
        address: tuple[str, int],
        root: Path,
        state: State,
        certificates: Certificates | None = None,
    ) -> None:
        super().__init__(address, root, _GithubHandler)
        self.state = state
        if certificates is not None:
            self.socket = certificates.context().wrap_socket(self.socket, server_side=True)


@contextmanager
def github(root: Path, state: State, certificates: Certificates | None = None) -> Iterator[str]:
    """Serve on loopback until the block ends. Yields the base URL."""
    scheme = "http" if certificates is None else "https"
    with running(GithubHost(("127.0.0.1", 0), root, state, certificates)) as server:
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"


def main(root: str, name: str) -> None:
    """Serve https to workers, and http to the tests, which only need the state."""
    made = certificates(name)
    state = State(authority=made.authority)
    with (
        GithubHost(("", HTTPS_PORT), Path(root), state, made) as server,
        GithubHost(("", HTTP_PORT), Path(root), state) as for_tests,
    ):
        threading.Thread(target=for_tests.serve_forever, daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
