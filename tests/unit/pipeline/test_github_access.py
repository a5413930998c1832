"""Private repositories: every way in, every refusal by its name, and no secret where none belongs.

The host checks signatures, permissions and tokens for real, and git runs behind it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.configuration import ChromaServer, Configuration, EmbeddingConfiguration
from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import Chunking, GithubSource, JobTemplate
from chroma_sync.pipeline.errors import Misconfigured, RateLimited, StepError, Temporary
from chroma_sync.pipeline.factory import make_source
from chroma_sync.pipeline.fetch import Source
from chroma_sync.pipeline.fetch.access import TOKEN_USER, basic_login
from chroma_sync.pipeline.fetch.github_app import AppAccess, api_url
from chroma_sync.pipeline.fetch.http import Trust
from chroma_sync.pipeline.fetch.remote import Patience
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import Secret
from fakes import repository
from fakes.certificates import certificates
from fakes.github import Installation, State, Token, github
from fakes.keys import private_key

APP = "1234"
TOKEN = "canary-token-5d1f"
PASSWORD = "canary-password-77ab"
REPOSITORY = "acme/private"


KEY, PUBLIC_KEY = private_key()
OTHER_KEY, _ = private_key()


class Given:
    """Secrets by their use."""

    advice = "Create it."

    def __init__(self, **values: Mapping[str, str]) -> None:
        self.values = {use.value: values.get(use.name.lower(), {}) for use in SecretUse}

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        value = self.values[use.value].get(key.value)
        return None if value is None else value.encode()


@dataclass
class Host:
    """A running GitHub."""

    url: str
    state: State
    commits: list[str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("github")
    (folder / "acme").mkdir()
    files = [{"a.py": repository.GeneratedFile(b"one\n")}, {"a.py": repository.GeneratedFile(b"2")}]
    return folder, repository.write(folder / "acme" / "private", files)


def new_state() -> State:
    return State(
        apps={APP: PUBLIC_KEY},
        installations=[Installation("9", ["acme/other"]), Installation(APP, [REPOSITORY])],
        tokens={TOKEN: Token([REPOSITORY])},
        passwords={"robot": PASSWORD},
    )


@pytest.fixture
def host(root: tuple[Path, list[str]]) -> Iterator[Host]:
    state = new_state()
    with github(root[0], state) as url:
        yield Host(url, state, root[1])


def source(
    url: str, scratch: Path, secrets: Given, *, patience: Patience | None = None, **fields: Any
) -> Source:
    named = {
        "credentialsSecretRef": {"name": "login"} if secrets.values["git"] else None,
        "caSecretRef": {"name": "ca"} if secrets.values["git-ca"] else None,
        "appId": APP if "privateKey" in secrets.values["git"] else None,
    }
    spec = {"repository": REPOSITORY, "baseUrl": url, "insecure": True, **named, **fields}
    configuration = Configuration(
        source="default/shop",
        database="default_database",
        chroma=ChromaServer(url="embedded"),
        embedding=EmbeddingConfiguration(model="hash", url="none"),
        chunking=Chunking(),
        github=GithubSource.model_validate(spec),
        job_template=JobTemplate(),
    )
    return make_source(configuration, scratch, StopSignal(), secrets, patience)


def app(key: str = KEY) -> Given:
    return Given(git={"privateKey": key})


def token(value: str = TOKEN) -> Given:
    return Given(git={"token": value})


def read_all(reading: Source) -> dict[str, bytes]:
    reading.open(reading.resolve())
    try:
        return {entry.key: reading.read(entry) for entry in reading.entries()}
    finally:
        reading.close()


WAYS = {
    "app": app(),
    "token": token(),
    "password": Given(git={"username": "robot", "token": PASSWORD}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_private_repository_is_read(host: Host, tmp_path: Path, way: str) -> None:
    reading = source(host.url, tmp_path, WAYS[way])
    reading.check()
    assert reading.resolve() == host.commits[1]
    assert read_all(reading) == {"a.py": b"2"}


@pytest.mark.parametrize("way", WAYS)
def test_a_host_that_wants_git_behind_the_name(host: Host, tmp_path: Path, way: str) -> None:
    """As GitLab does, with a redirect; no other redirect is followed."""
    host.state.suffix = True
    assert read_all(source(host.url, tmp_path, WAYS[way])) == {"a.py": b"2"}


def test_an_app_asks_for_one_repository_and_its_contents_only(host: Host, tmp_path: Path) -> None:
    read_all(source(host.url, tmp_path, app()))
    assert host.state.asked == [
        '{"permissions": {"contents": "read"}, "repositories": ["private"]}'
    ]


def test_a_token_serves_until_it_is_about_to_expire(host: Host) -> None:
    secret = Secret(app(), SecretUse.GIT, "login")
    access = AppAccess(host.url, REPOSITORY, APP, secret, Trust(StopSignal()))
    assert access.login() == access.login()
    assert len(host.state.issued) == 1
    # In ten minutes a large fetch is not over.
    host.state.token_seconds = 590
    access = AppAccess(host.url, REPOSITORY, APP, secret, Trust(StopSignal()))
    assert access.login() != access.login()
    assert len(host.state.issued) == 3


def test_a_run_outlives_its_token(host: Host, tmp_path: Path) -> None:
    host.state.token_seconds = 1
    reading = source(host.url, tmp_path, app())
    revision = reading.resolve()
    host.state.tokens[host.state.issued[0]].expires = 0
    reading.open(revision)
    reading.close()
    assert len(host.state.issued) == 2


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
    ("no Secret", Given(git={"else": "x"}), {}, Reason.SECRET_NOT_FOUND, ["'login'", "'token'"]),
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


def assert_no_secret(text: str, host: Host) -> None:
    """Neither as it stands in a Secret nor in the form in which it travels."""
    lines = [line for key in (KEY, OTHER_KEY) for line in key.splitlines() if len(line) > 40]
    tokens = [*host.state.issued, TOKEN, "canary-x", "canary"]
    logins = [basic_login(TOKEN_USER, token) for token in tokens]
    logins.append(basic_login("robot", PASSWORD))
    hidden = [part for login in logins for part in login.hidden]
    for secret in [*hidden, *lines, "Authorization"]:
        assert secret not in text


def test_the_search_for_secrets_finds_them(host: Host) -> None:
    for text in (KEY, TOKEN, basic_login("robot", PASSWORD).header):
        with pytest.raises(AssertionError):
            assert_no_secret(f"so: {text}.", host)
    assert_no_secret(repr(basic_login("robot", PASSWORD)), host)


@pytest.mark.parametrize(
    ("limit", "least", "most"),
    [
        ({"api_limited": 1}, 5, 8),
        ({"git_limited": 2}, 7, 7),  # git meets it, and so does the question why
        ({"git_limited": 1}, 60, 60),  # only git: it shows the number, not for how long
    ],
)
def test_a_rate_limit_is_waited_for(
    host: Host, tmp_path: Path, limit: dict[str, int], least: float, most: float
) -> None:
    told: list[str] = []
    slept: list[float] = []
    host.state.merge({**limit, "wait": 7})
    patience = Patience(60, slept.append, told.append)
    source(host.url, tmp_path, app(), patience=patience).check()
    assert len(slept) == 1 and least <= slept[0] <= most
    assert "asks to wait" in told[0] and "UTC" in told[0] and told[1:] == [""]


def test_a_rate_limit_beyond_the_patience_is_told(host: Host, tmp_path: Path) -> None:
    host.state.merge({"api_limited": 1, "wait": 100})
    with pytest.raises(RateLimited) as caught:
        source(host.url, tmp_path, app(), patience=Patience(60)).check()
    assert caught.value.reason is Reason.RATE_LIMITED
    assert 90 <= caught.value.seconds <= 101
    assert isinstance(caught.value, Temporary)


def test_the_patience_is_for_the_whole_run(host: Host, tmp_path: Path) -> None:
    slept: list[float] = []
    reading = source(host.url, tmp_path, token(), patience=Patience(60, slept.append))
    host.state.merge({"git_limited": 2, "wait": 40})
    revision = reading.resolve()
    host.state.git_limited = 2
    with pytest.raises(RateLimited):
        reading.open(revision)
    assert slept == [40]


def test_a_token_that_was_revoked_is_replaced(host: Host, tmp_path: Path) -> None:
    reading = source(host.url, tmp_path, app())
    reading.check()
    host.state.tokens.clear()
    assert read_all(reading) == {"a.py": b"2"}
    assert len(host.state.issued) == 2


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
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoGit) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(Misconfigured, match="not as a Git host does"):
                source(f"http://127.0.0.1:{server.server_port}", tmp_path, Given()).check()
        finally:
            server.shutdown()
            thread.join()


def test_the_users_own_logins_are_not_used(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither .netrc nor a program that asks for passwords."""
    asks = tmp_path / "ask"
    asks.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\necho {PASSWORD}\n")
    asks.chmod(stat.S_IRWXU)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login robot password {PASSWORD}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(variable, str(asks))
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, Given()).check()
    assert caught.value.reason is Reason.REPOSITORY_NOT_FOUND
    assert not (tmp_path / "asked").exists()


class _Recorder(BaseHTTPRequestHandler):
    """Where a host sends us to: it records whatever comes."""

    server: Recorder

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        self.send_error(404)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Recorder(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Recorder)
        self.seen: list[tuple[str, dict[str, str]]] = []


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_no_credentials_go_to_another_host(
    host: Host, recorder: Recorder, tmp_path: Path, way: str, name: str
) -> None:
    host.state.redirect = f"http://{name}:{recorder.server_address[1]}"
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, WAYS[way]).check()
    assert caught.value.reason is Reason.REPOSITORY_MOVED
    assert recorder.seen == [], "nothing at all goes there"


def test_a_host_that_redirects_in_mid_run(host: Host, recorder: Recorder, tmp_path: Path) -> None:
    reading = source(host.url, tmp_path, app())
    revision = reading.resolve()
    host.state.redirect = f"http://localhost:{recorder.server_address[1]}"
    with pytest.raises(Misconfigured):
        reading.open(revision)
    assert recorder.seen == []


@pytest.mark.parametrize("way", WAYS)
def test_a_host_that_redirects_only_what_is_posted(
    host: Host, recorder: Recorder, tmp_path: Path, way: str
) -> None:
    """With an App the request for a token, else git's second question."""
    host.state.redirect_posts = f"http://localhost:{recorder.server_address[1]}"
    with pytest.raises(StepError):
        source(host.url, tmp_path, WAYS[way]).check()
    assert recorder.seen == []


@pytest.mark.parametrize("way", WAYS)
def test_the_authorities_of_a_source_go_before_the_users(
    root: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    known, other = certificates("127.0.0.1"), certificates("127.0.0.1")
    (tmp_path / "users.crt").write_text(known.authority)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "users.crt"))
    secrets = WAYS[way].values["git"]
    with github(root[0], new_state(), known) as url:
        assert read_all(source(url, tmp_path, Given(git=secrets))) == {"a.py": b"2"}
        with pytest.raises(Misconfigured) as caught:
            source(url, tmp_path, Given(git=secrets, git_ca={"ca.crt": other.authority})).check()
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED


@pytest.mark.parametrize("way", WAYS)
def test_certificates(root: tuple[Path, list[str]], tmp_path: Path, way: str) -> None:
    known, other = certificates("127.0.0.1"), certificates("127.0.0.1")
    secrets = WAYS[way].values["git"]
    with github(root[0], new_state(), known) as url:
        trusting = Given(git=secrets, git_ca={"ca.crt": known.authority})
        assert read_all(source(url, tmp_path, trusting)) == {"a.py": b"2"}
        for doubting in (
            Given(git=secrets),
            Given(git=secrets, git_ca={"ca.crt": other.authority}),
        ):
            with pytest.raises(Misconfigured) as caught:
                source(url, tmp_path, doubting).check()
            assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED
            assert "spec.github.caSecretRef" in str(caught.value)


def test_a_certificate_that_is_none(host: Host, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, Given(git_ca={"ca.crt": "canary"}))
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED
    assert "'ca'" in str(caught.value) and "canary" not in str(caught.value)
    with pytest.raises(Misconfigured) as caught:
        source(host.url, tmp_path, Given(git_ca={"else": "x"}))
    assert caught.value.reason is Reason.SECRET_NOT_FOUND


GIT = """#!/bin/sh
{ printf '%%s ' git "$@"; echo; } >> "%(log)s.argv"
{ printf '%%s ' git "$@"; echo; env; } >> "%(log)s.env"
exec "%(git)s" "$@"
"""


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_in_arguments_or_files(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Every git that is started writes down its arguments and its environment first."""
    real = next(p for f in os.get_exec_path() if (p := Path(f) / "git").exists())
    tools, log, scratch = tmp_path / "bin", tmp_path / "log", tmp_path / "scratch"
    tools.mkdir()
    scratch.mkdir()
    (tools / "git").write_text(GIT % {"log": log, "git": real})
    (tools / "git").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert read_all(source(host.url, scratch, WAYS[way])) == {"a.py": b"2"}
    arguments = log.with_suffix(".argv").read_text()
    assert "ls-remote" in arguments and "cat-file" in arguments
    assert_no_secret(arguments, host)
    started = log.with_suffix(".env").read_text().split("git ls-remote")[1:]
    assert "Authorization: Basic" in started[0], "the login goes by environment"
    here = log.with_suffix(".env").read_text().split("git -C")
    local = [part for part in here if part.lstrip().partition("\n")[0].find("cat-file") > 0]
    assert local and not any("Authorization" in part for part in local)
    kept = b"".join(p.read_bytes() for p in scratch.rglob("*") if p.is_file())
    assert_no_secret(kept.decode("latin-1"), host)


@pytest.mark.parametrize(
    ("base", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://octo.ghe.com", "https://api.octo.ghe.com"),
        ("https://git.example.com", "https://git.example.com/api/v3"),
        ("http://git.internal:8080/", "http://git.internal:8080/api/v3"),
    ],
)
def test_where_the_api_is(base: str, api: str) -> None:
    assert api_url(base) == api
