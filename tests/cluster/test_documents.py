"""Documents of a bucket, read by the worker's larger image on a real Kubernetes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image, ImageDraw, ImageFont

from cluster.kit import installation, servers
from cluster.kit.cluster import secret
from cluster.kit.world import World, unique

pytestmark = [pytest.mark.cluster, pytest.mark.disturbs]

TABLE = b"name,wage\nbaker,2100\nmiller,1900\n"
PAGE = b"<html><body><h1>Ovens</h1><p>Bake at 240 degrees.</p></body></html>"
LETTER = rb"{\rtf1\ansi The letter of the miller.\par }"


def picture() -> bytes:
    """A picture of some words."""
    image = Image.new("RGB", (900, 200), "white")
    font = ImageFont.load_default(64)
    ImageDraw.Draw(image).text((40, 60), "Flour and water", "black", font)
    data = BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def larger_image(world: World) -> Iterator[None]:
    """Workers that have Tesseract and LibreOffice. In the end they are the usual ones again."""
    if not os.environ.get("DOCUMENTS_IMAGE"):
        pytest.skip("DOCUMENTS_IMAGE is not set")
    images = map(installation.image, ("OPERATOR_IMAGE", "DOCUMENTS_IMAGE"))
    installation.install(world.cluster, *images)
    yield
    usual = map(installation.image, ("OPERATOR_IMAGE", "WORKER_IMAGE"))
    installation.install(world.cluster, *usual)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("larger_image")
def test_each_kind_of_document_is_read(world: World, namespace: str) -> None:
    bucket = unique("documents")
    objects = {"wages.csv": TABLE, "ovens.html": PAGE, "letter.rtf": LETTER, "sign.png": picture()}
    with world.s3("s3") as client:
        client.create_bucket(Bucket=bucket)
        for key, data in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=data)
    spec = {
        "bucketName": bucket,
        "region": "us-east-1",
        "endpointUrl": servers.s3_url("s3"),
        "insecure": True,
        "collectionName": bucket,
        "credentialsSecretRef": {"name": "keys"},
    }
    source = world.source(namespace, s3=spec)
    del source["spec"]["github"]
    run = world.invocation(namespace, bucket, s3={"all": True})
    world.cluster.apply(secret(namespace, "keys", **servers.S3_KEYS), source, run)
    status = world.succeeded(namespace)["status"]
    assert not status.get("failures"), status["failures"]
    assert status["documents"]["indexed"] == len(objects), status["skipped"]
    texts = {
        key: "".join(text for _, text, _ in chunks)
        for key, chunks in world.records(bucket).by_document().items()
    }
    assert "| baker | 2100 |" in texts["wages.csv"]
    assert texts["ovens.html"].startswith("# Ovens\n")
    assert "The letter of the miller." in texts["letter.rtf"]
    assert "Flour and water" in texts["sign.png"]
