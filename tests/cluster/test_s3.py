"""Runs over a bucket, on a cluster with a server that speaks S3's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.kit import servers
from cluster.kit.cluster import Object, condition, secret
from cluster.kit.world import World, unique

pytestmark = pytest.mark.cluster

OBJECTS = {
    f"handbook/page-{n}.md": f"# Page {n}\n\nWords of page {n}.\n".encode() for n in range(40)
}


@dataclass(frozen=True)
class Bucket:
    """A bucket of a server, and a client of boto3's own."""

    name: str
    server: str
    client: Any


@pytest.fixture(params=sorted(servers.S3))
def bucket(world: World, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """A bucket of its own, with documents under a prefix and beside it."""
    name = unique("bucket")
    with world.s3(request.param) as client:
        client.create_bucket(Bucket=name)
        for key, data in {**OBJECTS, "private/secret.md": b"# Secret\n"}.items():
            client.put_object(Bucket=name, Key=key, Body=data)
        yield Bucket(name, request.param, client)


def source(world: World, namespace: str, bucket: Bucket, collection: str, **s3: Any) -> Object:
    asked = {
        "bucketName": bucket.name,
        "region": "us-east-1",
        "endpointUrl": servers.s3_url(bucket.server),
        "insecure": True,
        "collectionName": collection,
        "credentialsSecretRef": {"name": "keys"},
        "pathPrefix": "handbook/",
        **s3,
    }
    made = world.source(namespace, "bucket", s3=asked)
    del made["spec"]["github"]
    return made


def run(world: World, namespace: str, name: str, **s3: Any) -> Object:
    """Apply a run and wait for its end."""
    asked = world.invocation(namespace, "", name=name, source="bucket", s3=s3)
    del asked["spec"]["targetCollectionName"]
    world.cluster.apply(asked)
    return world.succeeded(namespace, name)


def texts(world: World, collection: str) -> dict[str, bytes]:
    documents = world.records(collection).by_document()
    return {key: "".join(t for _, t, _ in chunks).encode() for key, chunks in documents.items()}


def test_a_bucket_comes_in_and_is_kept_up(world: World, namespace: str, bucket: Bucket) -> None:
    collection = unique("bucket")
    world.cluster.apply(
        secret(namespace, "keys", **servers.S3_KEYS), source(world, namespace, bucket, collection)
    )
    world.ready(namespace, "bucket")
    first = run(world, namespace, "first", all=True)
    assert first["status"]["documents"]["indexed"] == len(OBJECTS)
    assert texts(world, collection) == OBJECTS
    metadata = world.collection(collection).metadata
    assert "finished_ingest" not in metadata
    changed = {"handbook/page-3.md": b"# Page 3\n\nOther words.\n", "handbook/new.md": b"# New\n"}
    for key, data in changed.items():
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=data)
    bucket.client.delete_object(Bucket=bucket.name, Key="handbook/page-7.md")
    second = run(world, namespace, "second", all=True)
    counts = second["status"]["documents"]
    assert (counts["indexed"], counts["removed"]) == (2, 1)
    assert counts["unchanged"] == len(OBJECTS) - 2
    wanted = {k: d for k, d in {**OBJECTS, **changed}.items() if k != "handbook/page-7.md"}
    assert texts(world, collection) == wanted


def test_one_object_comes_in_beside_the_others(
    world: World, namespace: str, bucket: Bucket
) -> None:
    collection = unique("bucket")
    world.cluster.apply(
        secret(namespace, "keys", **servers.S3_KEYS), source(world, namespace, bucket, collection)
    )
    world.ready(namespace, "bucket")
    for n in (1, 2):
        key = f"handbook/page-{n}.md"
        run(world, namespace, f"one-{n}", objectKey=key, customId=f"page-{n}", metadata={"n": n})
    records = world.records(collection)
    assert sorted(records.ids) == ["page-1-0", "page-2-0"]
    assert [m["n"] for m in records.metadata] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bucketName": "no-such-bucket"}, "BucketNotFound"),
        ({"credentialsSecretRef": {"name": "missing"}}, "SecretNotFound"),
        ({"credentialsSecretRef": {"name": "wrong"}}, "CredentialsRejected"),
    ],
)
def test_a_source_says_what_is_wrong(
    world: World, namespace: str, changes: dict[str, Any], reason: str
) -> None:
    wrong = {**servers.S3_KEYS, "secretAccessKey": "canary-wrong-7c1d"}
    with world.s3("versitygw") as client:
        bucket = Bucket(unique("bucket"), "versitygw", client)
        client.create_bucket(Bucket=bucket.name)
    world.cluster.apply(
        secret(namespace, "keys", **servers.S3_KEYS),
        secret(namespace, "wrong", **wrong),
        source(world, namespace, bucket, unique("bucket"), **changes),
    )
    said = world.reason("Source", namespace, "bucket", "Ready", reason)
    assert "canary" not in said["message"]
    found = world.cluster.get("Source", namespace, "bucket")
    assert condition(found, "Ready")["status"] == "False"
