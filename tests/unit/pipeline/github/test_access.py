"""Every way into a private repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_sync.api.contract import SecretUse
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import RateLimited, Temporary
from chroma_sync.pipeline.fetch.git.github_app import AppAccess, api_url
from chroma_sync.pipeline.fetch.git.http import TlsSettings
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import NamedSecret
from unit.pipeline.github.kit import (
    APP,
    REPOSITORY,
    WAYS,
    Host,
    app,
    read_all,
    source,
    token,
)


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
    secret = NamedSecret(app(), SecretUse.SOURCE, "login")
    access = AppAccess(host.url, REPOSITORY, APP, secret, TlsSettings(StopSignal()))
    assert access.login() == access.login()
    assert len(host.state.issued) == 1
    # In ten minutes a large fetch is not over.
    host.state.token_seconds = 590
    access = AppAccess(host.url, REPOSITORY, APP, secret, TlsSettings(StopSignal()))
    assert access.login() != access.login()
    assert len(host.state.issued) == 3


def test_a_run_outlives_its_token(host: Host, tmp_path: Path) -> None:
    host.state.token_seconds = 1
    reading = source(host.url, tmp_path, app())
    revision = reading.resolve()
    host.state.tokens[host.state.issued[0]].expires = 0
    reading.prepare(revision)
    reading.close()
    assert len(host.state.issued) == 2


def test_a_token_that_was_revoked_is_replaced(host: Host, tmp_path: Path) -> None:
    reading = source(host.url, tmp_path, app())
    reading.check()
    host.state.tokens.clear()
    assert read_all(reading) == {"a.py": b"2"}
    assert len(host.state.issued) == 2


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
    retries = HostRetries(60, sleep=slept.append, waits=lambda _: told.append)
    source(host.url, tmp_path, app(), retries=retries).check()
    assert len(slept) == 1 and least <= slept[0] <= most
    assert "asks to wait" in told[0] and "UTC" in told[0] and told[1:] == [""]


def test_a_rate_limit_beyond_the_patience_is_told(host: Host, tmp_path: Path) -> None:
    host.state.merge({"api_limited": 1, "wait": 100})
    with pytest.raises(RateLimited) as caught:
        source(host.url, tmp_path, app(), retries=HostRetries(60)).check()
    assert caught.value.reason is Reason.RATE_LIMITED
    assert 90 <= caught.value.seconds <= 101
    assert isinstance(caught.value, Temporary)


def test_the_patience_is_for_the_whole_run(host: Host, tmp_path: Path) -> None:
    slept: list[float] = []
    reading = source(host.url, tmp_path, token(), retries=HostRetries(60, sleep=slept.append))
    host.state.merge({"git_limited": 2, "wait": 40})
    revision = reading.resolve()
    host.state.git_limited = 2
    with pytest.raises(RateLimited):
        reading.prepare(revision)
    assert slept == [40]


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
