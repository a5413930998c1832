"""Buckets on a laptop: a real S3 server, and the commands as a person types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.pipeline.index.chroma import Database
from e2e.kit import MODEL, chroma_sync, written
from fakes.s3_server import KEYS, Front, fronted, owner, s3_server

BUCKET = "handbook"
TEXTS = {
    "public/bread.md": "# Bread\n\nBake the dough in a hot oven.\n",
    "public/accounts.md": "# Accounts\n\nPost a debit and its credit.\n",
    "secret/pay.md": "# Pay\n\nWhat each of us earns.\n",
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "bucket-reader"},
    "stringData": KEYS,
}


class Bucket:
    """A bucket behind a front, and runs over it. `report` has the last run's verdicts."""

    def __init__(self, front: Front, folder: Path) -> None:
        self.front = front
        self.client = owner(front.upstream)
        self._folder = folder
        self.report: dict[str, Any] = {}

    def put(self, **texts: str) -> None:
        for key, text in texts.items():
            self.client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())

    def run(self, wanted: dict[str, Any], **spec: Any) -> dict[str, Any]:
        """The last line of a run that ends well."""
        self.front.asked.clear()
        report = self._folder / "report.jsonl"
        report.unlink(missing_ok=True)
        done = chroma_sync(
            self._folder, "run", *self.files(wanted, **spec), "--report", str(report)
        )
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in report.read_text().splitlines()]
        self.report = {line["document"]: line["verdict"] for line in lines}
        last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return last

    def files(self, wanted: dict[str, Any], **spec: Any) -> list[str]:
        """The options that name a Source, a run over it, and its Secret."""
        s3 = {
            "bucketName": BUCKET,
            "region": "us-east-1",
            "endpointUrl": self.front.url,
            "insecure": True,
            "collectionName": "handbook",
            "credentialsSecretRef": {"name": "bucket-reader"},
            **spec,
        }
        head = {"apiVersion": "chromasync.dev/v1alpha1"}
        source = {"s3": s3, "embedding": {"dense": {"model": MODEL}}, "maxDeletePercent": 100}
        run = {"sourceRef": {"name": "handbook"}, "s3": wanted}
        return written(
            self._folder,
            [
                {**head, "kind": "Source", "metadata": {"name": "handbook"}, "spec": source},
                {**head, "kind": "Invocation", "metadata": {"name": "run"}, "spec": run},
                SECRET,
            ],
        )

    def read(self) -> list[str]:
        """The keys of the objects that the last run has read."""
        gets = [call for call in self.front.calls() if call.startswith(f"GET /{BUCKET}/")]
        return sorted(call.removeprefix(f"GET /{BUCKET}/") for call in gets)

    def records(self) -> dict[str, dict[str, Any]]:
        """The metadata of each record, by its id."""
        database = Database.embedded(self._folder / "chroma", "default_database")
        with closing(database):
            collection = database.find("handbook")
            assert collection is not None
            found = collection._handle.get(include=["metadatas"])
        return dict(zip(found["ids"], found["metadatas"], strict=True))

    def answer(self, question: str) -> str:
        done = chroma_sync(self._folder, "query", question, "--collection", "handbook")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with s3_server() as url, fronted(url) as front:
        made = Bucket(front, tmp_path)
        made.client.create_bucket(Bucket=BUCKET)
        made.put(**TEXTS)
        yield made
        for key in [one["Key"] for one in made.client.list_objects_v2(Bucket=BUCKET)["Contents"]]:
            made.client.delete_object(Bucket=BUCKET, Key=key)
        made.client.delete_bucket(Bucket=BUCKET)


def test_a_bucket_its_changes_and_what_is_gone(bucket: Bucket) -> None:
    done = bucket.run({"all": True})
    assert done["documents"] == {"discovered": 3, "indexed": 3}
    assert bucket.read() == sorted(TEXTS)
    assert bucket.answer("hot oven").startswith("1. public/bread.md:")
    # What is as it was is neither read nor embedded; what only has another ETag is not embedded.
    bucket.put(**{"public/rye.md": TEXTS["public/bread.md"], "public/accounts.md": "# Books\n"})
    bucket.client.delete_object(Bucket=BUCKET, Key="secret/pay.md")
    done = bucket.run({"all": True})
    assert done["documents"] == {"discovered": 3, "indexed": 2, "unchanged": 1, "removed": 1}
    assert bucket.read() == ["public/accounts.md", "public/rye.md"]
    assert done["chunks"]["embedded"] == 1
    assert "earns" not in bucket.answer("what each of us earns")
    done = bucket.run({"all": True})
    assert done["documents"] == {"discovered": 3, "unchanged": 3}
    assert bucket.read() == []


def test_the_prefix_is_a_wall(bucket: Bucket) -> None:
    done = bucket.run({"all": True}, pathPrefix="public/")
    assert done["documents"] == {"discovered": 2, "indexed": 2}
    for key, words in (
        ("secret/pay.md", "spec.s3.objectKey: does not begin with the pathPrefix"),
        ("public/../secret/pay.md", "must not hold ./ or ../"),
        ("public/%2e%2e%2fsecret/pay.md", "ObjectNotFound"),
    ):
        files = bucket.files({"objectKey": key}, pathPrefix="public/")
        refused = chroma_sync(bucket._folder, "run", *files)
        assert refused.returncode in (2, 64)
        assert words in refused.stderr
    assert not [call for call in bucket.front.calls() if "/secret/" in call]
    assert "earns" not in bucket.answer("what each of us earns")


def test_one_object_beside_others(bucket: Bucket) -> None:
    bucket.run({"objectKey": "public/bread.md"})
    done = bucket.run({"objectKey": "secret/pay.md"})
    assert done["documents"] == {"discovered": 1, "indexed": 1}
    assert bucket.answer("hot oven").startswith("1. public/bread.md:")
    bucket.put(**{"secret/pay.md": "# Pay\n\nNothing.\n"})
    done = bucket.run({"objectKey": "secret/pay.md"})
    assert done["documents"] == {"discovered": 1, "indexed": 1}
    assert bucket.answer("hot oven").startswith("1. public/bread.md:")
    assert "earns" not in bucket.answer("what each of us earns")


def test_an_object_with_an_id_and_metadata_of_its_own(bucket: Bucket) -> None:
    bread, pay = "public/bread.md", "secret/pay.md"
    bucket.run({"objectKey": bread, "customId": "bread", "metadata": {"team": "bakers"}})
    records = bucket.records()
    assert list(records) == ["bread-0"]
    assert (records["bread-0"]["team"], records["bread-0"]["custom_id"]) == ("bakers", "bread")
    # Another object does not get the id, and what stands under it stays.
    done = bucket.run({"objectKey": pay, "customId": "bread"})
    assert done["documents"] == {"discovered": 1, "failed": 1}
    assert done["failures"][0]["reason"] == "IdTaken"
    assert bucket.records() == records
    # Without an id of its own it stands under the hash of its key, once.
    bucket.run({"objectKey": bread})
    (id_,) = bucket.records()
    assert id_ != "bread-0" and "team" not in bucket.records()[id_]


def test_a_plan_reads_what_a_run_would(bucket: Bucket) -> None:
    done = chroma_sync(bucket._folder, "plan", *bucket.files({"all": True}))
    assert done.returncode == 0, done.stderr
    assert "documents: 3 to add" in done.stdout
    assert bucket.read() == sorted(TEXTS)


def test_what_is_wrong_is_said(bucket: Bucket) -> None:
    for spec, words in (
        ({"bucketName": "letters"}, "BucketNotFound: "),
        ({"autoSync": "direct", "queueUrl": "https://sqs.example.com/q"}, "spec.s3.autoSync"),
        ({"insecure": False}, "endpointUrl must be https"),
    ):
        refused = chroma_sync(bucket._folder, "run", *bucket.files({"all": True}, **spec))
        assert refused.returncode in (2, 64)
        assert words in refused.stderr
