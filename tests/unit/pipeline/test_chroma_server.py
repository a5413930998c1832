"""A Chroma server that hangs or refuses: how long a caller waits, and what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.index.session import Token
from fakes.scripted_tei import Reply, Script, ok, scripted

API = "/api/v2"
TENANT = {"name": "team-a"}
DATABASE = {"id": "00000000-0000-0000-0000-000000000000", "name": "shop", "tenant": "team-a"}


def sound(path: str, body: bytes) -> Reply:
    """What a Chroma server answers while a database is opened."""
    answers: dict[str, object] = {
        f"{API}/tenants/team-a": TENANT,
        f"{API}/tenants/team-a/databases/shop": DATABASE,
    }
    return ok(answers[path])


def broken_at(where: str, answer: Callable[[], Reply]) -> Script:
    return lambda path, body: answer() if path == where else sound(path, body)


def connected(url: str) -> Database:
    token = Token(lambda: "canary-1", "Look at the Secret.")
    return Database.connect(url, "team-a", "shop", token, retry_seconds=0.5)


@pytest.mark.parametrize("where", [f"{API}/tenants/team-a", f"{API}/pre-flight-checks"])
def test_a_server_that_hangs_does_not_outlast_the_patience_by_much(where: str) -> None:
    over = threading.Event()

    def hang() -> Reply:
        over.wait(20)
        return 503, "", b""

    with scripted(broken_at(where, hang)) as url:
        began = time.monotonic()
        with pytest.raises(Temporary) as caught:
            database = connected(url)
            try:
                database.write_limit()
            finally:
                database.close()
        took = time.monotonic() - began
        over.set()
    assert caught.value.reason is Reason.CHROMA_UNAVAILABLE
    assert took < 10


def refused(status: int, kind: str, message: str) -> Callable[[], Reply]:
    def answer() -> Reply:
        return (status, *ok({"error": kind, "message": message})[1:])

    return answer


@pytest.mark.parametrize("where", ["tenants/team-a", "tenants/team-a/databases/shop"])
def test_a_missing_tenant_or_database(where: str) -> None:
    answer = refused(404, "NotFoundError", "it is not found")
    with scripted(broken_at(f"{API}/{where}", answer)) as url:
        with pytest.raises(Misconfigured) as caught:
            connected(url)
    assert caught.value.reason is Reason.DATABASE_NOT_FOUND
    for words in ("'team-a'", "'shop'", "spec.chroma.tenant", "chroma.tenant of the chart"):
        assert words in str(caught.value)
    assert "spec.databaseName" in str(caught.value)


def test_a_token_that_is_refused() -> None:
    answer = refused(401, "AuthError", "Unauthorized")
    with scripted(broken_at(f"{API}/tenants/team-a", answer)) as url:
        with pytest.raises(Misconfigured) as caught:
            connected(url)
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED
    assert str(caught.value).endswith("Unauthorized. Look at the Secret.")
    assert "canary" not in str(caught.value)


def test_an_address_that_is_none() -> None:
    for url in ("chroma:8000", "http://", "http://chroma:99999", "http://[::1"):
        with pytest.raises(Misconfigured) as caught:
            Database.connect(url, "team-a", "shop")
        assert "must begin with http:// or https:// and name a host" in str(caught.value)
