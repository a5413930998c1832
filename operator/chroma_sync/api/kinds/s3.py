"""The kind `s3`: a bucket, of which a run reads one object or all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from chroma_sync.api.kinds.kind import ADDRESS_KEPT, Kind, SecretMount
from chroma_sync.api.meta import (
    ApiModel,
    CollectionName,
    HttpUrl,
    Rule,
    SecretReference,
    Unique,
    at_most_bytes,
    never_changes,
    shape,
    shape_not,
)
from chroma_sync.api.record_keys import USER_KEYS_MAX, metadata_problem
from chroma_sync.api.secret_keys import SecretKey, SecretUse

# A key of an object, or how keys begin. A server that keeps objects as files may take `..` for the
# folder above, which lies outside of the prefix.
_Key = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    at_most_bytes(1024),
    shape_not(
        r"(^|/)[.][.]?(/|$)",
        "must not hold ./ or ../: name the object by its whole key, without a / before it, such as "
        "handbook/leave.pdf",
    ),
]


# Such as eng, chi_sim or deu_latf.
_Language = Annotated[
    str,
    Field(max_length=24),
    shape("[a-z]{3}(_[a-z]+)?", "must be Tesseract's name of a language, such as eng or chi_sim"),
]


# One that is the hash of another object's key would have that one's ids.
_CustomId = Annotated[
    str,
    Field(min_length=1, max_length=120),
    at_most_bytes(120),
    shape_not(
        "^[0-9a-f]{64}$",
        "must not have the form of a SHA-256: with such a hash the ids of objects begin that have "
        "no id of their own",
    ),
]


class S3Source(Kind):
    """A bucket of S3, or of a server that speaks its protocol."""

    member: ClassVar = "s3"
    article: ClassVar = "an"
    connector: ClassVar = "chroma_sync.pipeline.fetch.s3"
    address_field: ClassVar = "bucketName"
    shares_collection: ClassVar = True
    served: ClassVar = (
        *("bucketName", "region", "collectionName", "pathPrefix", "endpointUrl", "insecure"),
        "ocrLanguages",
        *("credentialsSecretRef", "roleArn", "externalId", "caSecretRef"),
    )
    run_served: ClassVar = ("objectKey", "all", "customId", "metadata")
    unchecked: ClassVar = frozenset({"collection_name", "ocr_languages"})

    bucket_name: Annotated[
        str,
        Field(min_length=3, max_length=63),
        shape(
            "[a-z0-9][a-z0-9.-]*[a-z0-9]",
            "must be the name of a bucket: lower case letters, digits, '.' and '-'",
        ),
    ] = Field(description="Name of the bucket. Example: team-documents.")
    region: Annotated[
        str,
        Field(min_length=1, max_length=64),
        shape("[a-z0-9-]+", "must be the name of a region, such as eu-central-1"),
    ] = Field(
        description="Region of the bucket. If AWS says that it is in another one, that is used. "
        "Example: eu-central-1."
    )
    collection_name: CollectionName = Field(
        description="The Chroma collection of runs that name none, 3 to 128 characters."
    )
    credentials_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret with the keys accessKeyId, secretAccessKey and, if there is one, "
        "sessionToken. Left out: the access of jobTemplate.serviceAccountName; on a laptop, that "
        "of the AWS settings there.",
    )
    role_arn: (
        Annotated[
            str,
            Field(min_length=20, max_length=2048),
            shape(
                r"arn:[a-z0-9-]+:iam::[A-Za-z0-9-]*:role/[A-Za-z0-9+=,.@_/-]+",
                "must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/reader",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="An IAM role that is assumed to read the bucket. Example: "
        "arn:aws:iam::123456789012:role/reader.",
    )
    external_id: (
        Annotated[
            str,
            Field(min_length=2, max_length=1224),
            shape(
                r"[A-Za-z0-9_+=,.@:/-]+",
                "must hold letters, digits and _+=,.@:/- only, as an external id of IAM does",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="The external id that the role's trust policy asks for. Example: team-a.",
    )
    path_prefix: _Key | None = Field(
        default=None,
        description="Only objects whose key begins with this are read, at most 1024 bytes. Left "
        "out: all. Example: handbook/.",
    )
    auto_sync: Literal["none", "direct", "metadata"] = Field(
        default="none",
        description="none: runs are applied by people. direct: each created object is indexed. "
        "metadata: each created *.meta.json names what to index. Default: none.",
    )
    queue_url: HttpUrl | None = Field(
        default=None,
        description="The SQS queue that gets the bucket's s3:ObjectCreated:* events; for autoSync.",
    )
    endpoint_url: HttpUrl | None = Field(
        default=None,
        description="Address of a server that speaks S3's protocol. Left out: AWS. Example: "
        "https://minio.example.com:9000.",
    )
    ocr_languages: Annotated[list[_Language], Unique()] = Field(
        default=["eng"],
        min_length=1,
        max_length=8,
        description="The languages of scans and pictures, the most frequent one first, by "
        "Tesseract's names; the worker's image must have their data. Example: [deu, eng]. Default: "
        "[eng].",
    )
    insecure: bool = Field(
        default=False,
        description="Allow an endpointUrl of plain http, where anyone on the way can read the "
        "documents. Default: false.",
    )
    ca_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret whose key ca.crt holds the certificates (PEM) to trust the server by. "
        "Left out: those of the image.",
    )

    rules: ClassVar = (
        never_changes("bucketName", f"bucketName {ADDRESS_KEPT}", required=True),
        never_changes("endpointUrl", f"endpointUrl {ADDRESS_KEPT}"),
        Rule(
            "endpointUrl",
            "endpointUrl must be https: over plain http anyone on the way can read the documents; "
            "insecure: true allows it",
            "!has(self.endpointUrl) || !self.endpointUrl.startsWith('http://') || self.insecure",
            lambda s3: (
                s3.endpoint_url is None or not s3.endpoint_url.startswith("http://") or s3.insecure
            ),
        ),
        Rule(
            "externalId",
            "externalId needs roleArn: the role whose trust policy asks for it",
            "!has(self.externalId) || has(self.roleArn)",
            lambda s3: s3.external_id is None or s3.role_arn is not None,
        ),
        Rule(
            "queueUrl",
            "queueUrl must be set when autoSync is direct or metadata, and only then",
            "has(self.queueUrl) == (self.autoSync != 'none')",
            lambda s3: (s3.queue_url is not None) == (s3.auto_sync != "none"),
        ),
    )

    def address(self) -> str:
        return f"{(self.endpoint_url or 's3:/').rstrip('/')}/{self.bucket_name}"

    def hosts(self) -> Iterator[tuple[str, str]]:
        if self.endpoint_url is not None:
            yield "endpointUrl", self.endpoint_url
        if self.queue_url is not None:
            yield "queueUrl", self.queue_url

    def picture_languages(self) -> Sequence[str]:
        return self.ocr_languages

    def default_collection(self) -> str:
        return self.collection_name

    def secrets(self) -> Mapping[SecretUse, SecretMount | None]:
        keys = (SecretKey.ACCESS_KEY_ID, SecretKey.SECRET_ACCESS_KEY, SecretKey.SESSION_TOKEN)
        return {
            SecretUse.SOURCE: SecretMount.of(self.credentials_secret_ref, *keys),
            SecretUse.SOURCE_CA: SecretMount.of(self.ca_secret_ref, SecretKey.CA),
        }

    def problem(self, run: S3Run | None) -> str | None:
        if run is None:
            return (
                "spec.s3: is missing: a run over an s3 Source needs it. Set objectKey or all: true."
            )
        if run.object_key is not None and not run.object_key.startswith(self.path_prefix or ""):
            return (
                "spec.s3.objectKey: does not begin with the pathPrefix of the Source. Give the "
                "whole key."
            )
        return metadata_problem("spec.s3.metadata", run.metadata or {})


class S3Run(ApiModel):
    """What a run over an s3 Source reads."""

    object_key: _Key | None = Field(
        default=None,
        description="The full key of one object, inside the Source's pathPrefix, of at most 1024 "
        "bytes. Example: handbook/leave.pdf.",
    )
    all: bool = Field(default=False, description="Read every object under the Source's pathPrefix.")
    custom_id: _CustomId | None = Field(
        default=None,
        description="Begins the ids of the object's records, which are {customId}-{n}, instead "
        "of the hash of its key; at most 120 bytes. Example: handbook-leave.",
    )
    metadata: dict[str, JsonValue] | None = Field(
        default=None,
        max_length=USER_KEYS_MAX,
        description="Metadata for each record of the run: at most 12 keys, each with a string, "
        "number or boolean, or a list of values of one of these types, of at most 8182 bytes as "
        "JSON. Example: {team: people}.",
    )

    rules: ClassVar = (
        Rule(
            "",
            "exactly one of objectKey and all: true must be set in s3",
            "has(self.objectKey) != self.all",
            lambda s3: (s3.object_key is not None) != s3.all,
        ),
        Rule(
            "customId",
            "customId names the records of one object: it needs objectKey",
            "!has(self.customId) || has(self.objectKey)",
            lambda s3: s3.custom_id is None or s3.object_key is not None,
        ),
    )
