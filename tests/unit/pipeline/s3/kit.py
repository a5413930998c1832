"""A bucket on a real server, and a connector that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.kinds.s3 import S3Run, S3Source
from chroma_sync.pipeline.body import whole
from chroma_sync.pipeline.fetch import Means, Opened, Ref
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.fetch.s3 import connect
from chroma_sync.pipeline.fetch.s3.connector import S3Connector
from chroma_sync.pipeline.queues import StopSignal
from fakes.s3_server import KEYS

SECRET = "bucket-reader"


class Mounted:
    """Secrets that a test may change."""

    def __init__(self, values: Mapping[str, str], ca: str | None = None) -> None:
        self.values = dict(values)
        self.ca = ca

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        if use is SecretUse.SOURCE_CA:
            return self.ca.encode() if self.ca is not None else None
        value = self.values.get(key.value)
        return value.encode() if value is not None else None

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        return f"There is no key {key.value} in Secret {name!r}."


def bucket(
    url: str | None,
    scratch: Path,
    name: str = "papers",
    *,
    run: Mapping[str, Any] | None = None,
    secrets: Mounted | None = None,
    retries: HostRetries | None = None,
    stop: StopSignal | None = None,
    **more: Any,
) -> S3Connector:
    """A connector of a bucket. `more` are fields of `spec.s3`."""
    spec = {
        "bucketName": name,
        "region": "us-east-1",
        "collectionName": "papers",
        "credentialsSecretRef": {"name": SECRET},
        **({"endpointUrl": url, "insecure": True} if url else {}),
        **more,
    }
    means = Means(
        scratch,
        stop or StopSignal(),
        secrets or Mounted(KEYS),
        retries or HostRetries(sleep=lambda _: None),
    )
    wanted = S3Run.model_validate({"all": True} if run is None else dict(run))
    return connect(S3Source.model_validate(spec), wanted, means)


def listed(connector: S3Connector) -> list[Ref]:
    """All that it lists."""
    return list(connector.refs())


def read(connector: S3Connector) -> dict[str, bytes]:
    """The bytes of all that it lists and opens."""
    found = {}
    for ref in connector.refs():
        if ref.skip is None:
            opened = connector.open(ref, None)
            assert isinstance(opened, Opened), opened
            found[ref.key] = whole(opened.body)
    return found
