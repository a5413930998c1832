"""The S3 server of this folder's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.s3_server import Front, fronted, owner, s3_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def front(server: str) -> Iterator[Front]:
    """A front before a server that has one bucket, `papers`, with nothing in it."""
    client = owner(server)
    client.create_bucket(Bucket="papers")
    with fronted(server) as front:
        yield front
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="papers"):
        for one in page.get("Contents", ()):
            client.delete_object(Bucket="papers", Key=one["Key"])
    client.delete_bucket(Bucket="papers")


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
