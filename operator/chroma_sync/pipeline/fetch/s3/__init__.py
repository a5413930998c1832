"""The connector of the kind `s3`: buckets of S3, and of servers that speak its protocol."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.kinds.s3 import S3Run, S3Source
from chroma_sync.api.meta import secret_name
from chroma_sync.api.reasons import Reason
from chroma_sync.api.record_keys import Value
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.fetch.connector import Means
from chroma_sync.pipeline.fetch.s3.boto import Bucket, Clients
from chroma_sync.pipeline.fetch.s3.connector import LANES, S3Connector
from chroma_sync.pipeline.fetch.s3.place import Place
from chroma_sync.pipeline.secrets import NamedSecret


def connect(asked: S3Source, run: S3Run | None, means: Means) -> S3Connector:
    """The objects that a run wants of the bucket that a Source names. Raises `Misconfigured`."""
    prefix = asked.path_prefix or ""
    key = run.object_key if run else None
    if key is not None and not key.startswith(prefix):
        message = f"spec.s3.objectKey: {key!r} does not begin with the pathPrefix of the Source."
        raise Misconfigured(Reason.INVALID_FOR_SOURCE, message)
    place = Place(
        bucket=asked.bucket_name,
        region=asked.region,
        endpoint=asked.endpoint_url,
        secret=secret_name(asked.credentials_secret_ref),
        role_arn=asked.role_arn,
        external_id=asked.external_id,
    )
    secret = NamedSecret(means.secrets, SecretUse.SOURCE, place.secret) if place.secret else None
    bucket = Bucket(place, Clients(place, secret, _authorities(asked, means), LANES, means.stop))
    return S3Connector(
        bucket,
        prefix,
        means,
        key=key,
        own_id=run.custom_id if run else None,
        # Its types are seen to before a run begins: see `S3Source.problem`.
        metadata=cast("Mapping[str, Value | None]", (run.metadata if run else None) or {}),
    )


def _authorities(asked: S3Source, means: Means) -> Path | None:
    """A file with the certificates to trust the server by, if the Source names some."""
    name = secret_name(asked.ca_secret_ref)
    if name is None:
        return None
    file = means.scratch / "ca.crt"
    certificates = NamedSecret(means.secrets, SecretUse.SOURCE_CA, name).value(SecretKey.CA)
    file.write_text(certificates, encoding="utf-8")
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        message = f"The ca.crt in Secret {name!r} holds no certificate in PEM form."
        raise Misconfigured(Reason.CERTIFICATE_NOT_TRUSTED, message) from None
    return file
