"""What the tests of private repositories have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from chroma_sync.api.configuration import ChromaServer, Configuration, EmbeddingConfiguration
from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.kinds.github import GithubSource
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.pipeline.body import whole
from chroma_sync.pipeline.factory import make_connector
from chroma_sync.pipeline.fetch import Connector, Opened
from chroma_sync.pipeline.fetch.git.access import TOKEN_USER, basic_login
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.queues import StopSignal
from fakes.github import Installation, State, Token
from fakes.keys import private_key

APP = "1234"


TOKEN = "canary-token-5d1f"


PASSWORD = "canary-password-77ab"


REPOSITORY = "acme/private"


KEY, PUBLIC_KEY = private_key()


OTHER_KEY, _ = private_key()


class Given:
    """Secrets by their use."""

    def __init__(self, **values: Mapping[str, str]) -> None:
        self.values = {use.value: values.get(use.name.lower(), {}) for use in SecretUse}

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        value = self.values[use.value].get(key.value)
        return None if value is None else value.encode()

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        return f"There is no {key.value!r} in a Secret {name!r}. Create it."


@dataclass
class Host:
    """A running GitHub."""

    url: str
    state: State
    commits: list[str]


def new_state() -> State:
    return State(
        apps={APP: PUBLIC_KEY},
        installations=[Installation("9", ["acme/other"]), Installation(APP, [REPOSITORY])],
        tokens={TOKEN: Token([REPOSITORY])},
        passwords={"robot": PASSWORD},
    )


def source(
    url: str, scratch: Path, secrets: Given, *, retries: HostRetries | None = None, **fields: Any
) -> Connector:
    named = {
        "credentialsSecretRef": {"name": "login"} if secrets.values["source"] else None,
        "caSecretRef": {"name": "ca"} if secrets.values["source-ca"] else None,
        "appId": APP if "privateKey" in secrets.values["source"] else None,
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
    return make_connector(configuration, scratch, StopSignal(), secrets, retries)


def app(key: str = KEY) -> Given:
    return Given(source={"privateKey": key})


def token(value: str = TOKEN) -> Given:
    return Given(source={"token": value})


def read_all(reading: Connector) -> dict[str, bytes]:
    reading.prepare(reading.resolve())
    try:
        outcomes = {ref.key: reading.open(ref, None) for ref in reading.refs()}
        return {key: whole(one.body) for key, one in outcomes.items() if isinstance(one, Opened)}
    finally:
        reading.close()


WAYS = {
    "app": app(),
    "token": token(),
    "password": Given(source={"username": "robot", "token": PASSWORD}),
}


def assert_no_secret(text: str, host: Host) -> None:
    """Neither as it stands in a Secret nor in the form in which it travels."""
    lines = [line for key in (KEY, OTHER_KEY) for line in key.splitlines() if len(line) > 40]
    tokens = [*host.state.issued, TOKEN, "canary-x", "canary"]
    logins = [basic_login(TOKEN_USER, token) for token in tokens]
    logins.append(basic_login("robot", PASSWORD))
    hidden = [part for login in logins for part in login.hidden]
    for secret in [*hidden, *lines, "Authorization"]:
        assert secret not in text


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
