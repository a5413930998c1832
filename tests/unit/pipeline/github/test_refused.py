"""Every refusal by its name."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from fakes.running import running
from unit.pipeline.github.kit import (
    APP,
    KEY,
    OTHER_KEY,
    REPOSITORY,
    TOKEN,
    Given,
    Host,
    app,
    assert_no_secret,
    source,
    token,
)

REFUSALS: list[tuple[str, Given, dict[str, Any], Reason, list[str]]] = [
    (
        "the App is elsewhere only",
        app(),
        {"installations": []},
        Reason.APP_NOT_INSTALLED,
        [APP, REPOSITORY, "Install the App"],
    ),
    (
        "the App is suspended",
        app(),
        {"installations": [{"app": APP, "repositories": [REPOSITORY], "suspended": True}]},
        Reason.APP_SUSPENDED,
        [APP, "Unsuspend"],
    ),
    (
        "the App has no right",
        app(),
        {"installations": [{"app": APP, "repositories": [REPOSITORY], "permissions": {}}]},
        Reason.PERMISSION_MISSING,
        [APP, "Contents: read"],
    ),
    ("no key at all", app("canary-key"), {}, Reason.APP_KEY_INVALID, ["'login'", "PEM form"]),
    (
        "half a key",
        app(KEY[: len(KEY) // 2]),
        {},
        Reason.APP_KEY_INVALID,
        ["'login'", "END line"],
    ),
    ("another key", app(OTHER_KEY), {}, Reason.APP_KEY_INVALID, ["'login'", "does not accept"]),
    ("another App", app(), {"apps": {}}, Reason.APP_KEY_INVALID, [APP, "spec.github.appId"]),
    ("a late clock", app(), {"ahead": 3000}, Reason.CLOCK_SKEW, ["behind", "clock"]),
    ("an early clock", app(), {"ahead": -3000}, Reason.CLOCK_SKEW, ["ahead of", "clock"]),
    (
        "a repository that was renamed, for an App",
        app(),
        {"renamed": {REPOSITORY: "acme/new"}},
        Reason.REPOSITORY_MOVED,
        ["renamed"],
    ),
    (
        "a repository that was renamed",
        token(),
        {"renamed": {REPOSITORY: "acme/new"}},
        Reason.REPOSITORY_MOVED,
        ["was renamed or moved"],
    ),
    (
        "a repository that is gone, or hidden",
        token(),
        {"tokens": {TOKEN: {"repositories": []}}},
        Reason.REPOSITORY_NOT_FOUND,
        ["hides it", "'login'"],
    ),
    (
        "a token that expired",
        token(),
        {"tokens": {TOKEN: {"repositories": [REPOSITORY], "expires": 1}}},
        Reason.CREDENTIALS_REJECTED,
        ["expired", "'login'"],
    ),
    ("a token of nobody", token("canary-x"), {}, Reason.CREDENTIALS_REJECTED, ["mistyped"]),
    (
        "a token without the right",
        token(),
        {"tokens": {TOKEN: {"repositories": [REPOSITORY], "contents": False}}},
        Reason.PERMISSION_MISSING,
        ["'login'", "contents"],
    ),
    ("single sign-on", token(), {"sso": True}, Reason.SSO_REQUIRED, ["Authorize the token"]),
    ("no login", Given(), {}, Reason.REPOSITORY_NOT_FOUND, ["credentialsSecretRef"]),
    ("no Secret", Given(source={"else": "x"}), {}, Reason.SECRET_NOT_FOUND, ["'login'", "'token'"]),
    ("a token of two lines", token("canary\nx"), {}, Reason.CREDENTIALS_REJECTED, ["'login'"]),
]


@pytest.mark.parametrize(
    ("secrets", "state", "reason", "words"),
    [refusal[1:] for refusal in REFUSALS],
    ids=[refusal[0] for refusal in REFUSALS],
)
def test_each_refusal_has_its_name(
    host: Host,
    tmp_path: Path,
    secrets: Given,
    state: dict[str, Any],
    reason: Reason,
    words: list[str],
) -> None:
    host.state.merge(state)
    with pytest.raises(StepError) as caught:
        source(host.url, tmp_path, secrets).check()
    assert caught.value.reason is reason, str(caught.value)
    assert isinstance(caught.value, Misconfigured)
    for word in words:
        assert word in str(caught.value)
    assert_no_secret(f"{caught.value}{caught.value.__context__}{caught.value.__cause__}", host)


def test_a_host_that_takes_none_of_its_own_tokens(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.state, "token_seconds", -1)
    with pytest.raises(Temporary) as caught:
        source(host.url, tmp_path, app()).check()
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED


def test_a_host_that_forbids_only_what_git_asks_later(host: Host, tmp_path: Path) -> None:
    host.state.forbid_posts = True
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, token()).check()
    assert caught.value.reason is Reason.PERMISSION_MISSING
    assert "'login'" in str(caught.value)


def test_an_app_on_a_host_that_is_down(tmp_path: Path) -> None:
    with pytest.raises(Temporary) as caught:
        source("http://127.0.0.1:1", tmp_path, app()).check()
    assert caught.value.reason is Reason.HOST_UNREACHABLE
    assert "http://127.0.0.1:1" in str(caught.value)


class _NoGit(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"hi": 1}')

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def test_a_host_that_is_no_git_host(tmp_path: Path) -> None:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _NoGit)) as server:
        with pytest.raises(Misconfigured, match="not as a Git host does"):
            source(f"http://127.0.0.1:{server.server_port}", tmp_path, Given()).check()
