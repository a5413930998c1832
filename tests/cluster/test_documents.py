"""Documents of a bucket, read by the worker's larger image on a real Kubernetes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cluster.kit import installation, servers
from cluster.kit.cluster import secret
from cluster.kit.world import World, unique
from unit.extract import samples

pytestmark = [pytest.mark.cluster, pytest.mark.disturbs]

# Of each kind a document, and words of its Markdown.
DOCUMENTS = {
    "book.epub": (samples.epub("<h1>Rye</h1><p>The book of rye.</p>"), "The book of rye."),
    "leave.docx": (samples.docx(samples.paragraph("Bakers on leave.")), "Bakers on leave."),
    "letter.rtf": (rb"{\rtf1\ansi The letter of the miller.\par }", "The letter of the miller."),
    "oven.odt": (samples.opendocument("text", "<text:p>The old oven.</text:p>"), "The old oven."),
    "ovens.html": (b"<html><body><h1>Ovens</h1><p>240 degrees.</p></body></html>", "# Ovens"),
    "report.pdf": (samples.pdf("The report of the mill."), "The report of the mill."),
    "show.pptx": (samples.pptx(samples.shape("A show of bread.")), "A show of bread."),
    "sign.png": (samples.picture("Flour and water"), "Flour and water"),
    "stock.xlsx": (samples.xlsx(samples.row(1, "flour", "12 sacks")), "| flour | 12 sacks |"),
    "wages.csv": (b"name,wage\nbaker,2100\n", "| baker | 2100 |"),
}


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
    with world.s3("s3") as client:
        client.create_bucket(Bucket=bucket)
        for key, (data, _) in DOCUMENTS.items():
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
    assert status["documents"]["indexed"] == len(DOCUMENTS), status["skipped"]
    texts = {
        key: "".join(text for _, text, _ in chunks)
        for key, chunks in world.records(bucket).by_document().items()
    }
    lost = {key: texts[key] for key, (_, words) in DOCUMENTS.items() if words not in texts[key]}
    assert not lost
