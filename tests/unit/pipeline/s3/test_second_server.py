"""A second S3 server, of other authors: its keys, its listing, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured
from fakes.s3rver_server import KEYS, is_possible, s3rver
from unit.pipeline.s3.kit import Mounted, bucket, listed, read

pytestmark = pytest.mark.skipif(
    not is_possible() and os.environ.get("CI") != "true", reason="s3rver needs node and npm"
)
TEXTS = {
    key: f"text of {key!r}".encode()
    for key in (
        *("a b+c.txt", "a%2Fb.txt", "ä/ü.txt", "a&<b>.txt", "dir/x.txt", "dir/y/z.txt"),
        *(f"many/{n:04}.txt" for n in range(1_010)),
    )
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with all these objects."""
    with s3rver(tmp_path_factory.mktemp("s3rver"), "papers") as url:
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["accessKeyId"],
            aws_secret_access_key=KEYS["secretAccessKey"],
        )
        for key, data in TEXTS.items():
            client.put_object(Bucket="papers", Key=key, Body=data)
        client.close()
        yield url


def test_its_keys_and_its_pages(server: str, tmp_path: Path) -> None:
    connector = bucket(server, tmp_path, secrets=Mounted(KEYS))
    connector.check()
    assert [ref.key for ref in listed(connector)] == sorted(TEXTS, key=str.encode)
    within = bucket(server, tmp_path, secrets=Mounted(KEYS), pathPrefix="dir/")
    assert read(within) == {key: TEXTS[key] for key in ("dir/x.txt", "dir/y/z.txt")}
    for key in ("a b+c.txt", "a%2Fb.txt", "ä/ü.txt", "a&<b>.txt"):
        one = bucket(server, tmp_path, secrets=Mounted(KEYS), run={"objectKey": key})
        assert read(one) == {key: TEXTS[key]}


def test_a_version_is_the_same_by_all_ways(server: str, tmp_path: Path) -> None:
    one = bucket(server, tmp_path, secrets=Mounted(KEYS), run={"objectKey": "dir/x.txt"})
    some = bucket(server, tmp_path, secrets=Mounted(KEYS), pathPrefix="dir/x")
    (ref,) = listed(one)
    assert listed(some) == [ref]
    opened: Any = one.open(ref, None)
    assert opened.ref == ref


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"secrets": Mounted({**KEYS, "accessKeyId": "x"})}, Reason.CREDENTIALS_REJECTED),
        ({"name": "letters"}, Reason.BUCKET_NOT_FOUND),
        ({"run": {"objectKey": "none"}}, Reason.OBJECT_NOT_FOUND),
        ({"run": {"objectKey": "none"}, "name": "letters"}, Reason.BUCKET_NOT_FOUND),
    ],
)
def test_what_it_refuses(server: str, tmp_path: Path, more: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Misconfigured) as caught:
        listed(bucket(server, tmp_path, **{"secrets": Mounted(KEYS), **more}))
    assert caught.value.reason is reason
