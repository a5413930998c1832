"""The three places where data lives: a GitHub repository, an S3 bucket, a web site."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from chroma_sync.api.invocation import CollectionName
from chroma_sync.api.meta import (
    ApiModel,
    HttpUrl,
    Rule,
    SecretReference,
    Unique,
    never_changes,
    shape,
    shape_not,
)
from chroma_sync.api.path_regex import PathRegex

_ADDRESS = "never changes: make another Source for another address"

_PRINTABLE = r"[^\x00-\x1f\x7f]"

Glob = Annotated[
    str,
    Field(min_length=1, max_length=256),
    shape(
        rf"[^!\x00-\x1f\x7f]{_PRINTABLE}*",
        "must be a pattern as in .gitignore, without '!' before it (use excludeGlobs), such as "
        "src/**/*.py",
    ),
    shape_not(
        r"(^|[^\\])[{][^{}/]*,[^{}/]*[}]",
        "must name one kind of file: braces with a comma are no choice in a .gitignore pattern. "
        "Write a pattern for each, such as *.ts and *.tsx; braces in a name as \\{ and \\}",
    ),
    shape_not(
        r"(^|/)[.][.]?(/|$)",
        "must not hold ./ or ../: no file of a repository has such a path. Patterns begin at its "
        "root: write vendor/, not ./vendor/",
    ),
]


class GithubSource(ApiModel):
    """A Git repository, on GitHub or on any host that serves Git over HTTP."""

    repository: Annotated[
        str,
        Field(min_length=3, max_length=200),
        shape(
            r"[A-Za-z0-9_-][A-Za-z0-9._-]*/\.?[A-Za-z0-9_-][A-Za-z0-9._-]*",
            "must be owner/name, such as chroma-core/chroma",
        ),
    ] = Field(description="The repository as owner/name. Example: chroma-core/chroma.")
    base_url: HttpUrl = Field(
        default="https://github.com",
        description="Address of the host, http or https; the repository's path is put after it. "
        "Default: https://github.com. Example: https://git.example.com.",
    )
    insecure: bool = Field(
        default=False,
        description="Allow credentials to travel over plain http, where anyone on the way can read "
        "them. Default: false.",
    )
    app_id: (
        Annotated[
            str,
            Field(min_length=1, max_length=64),
            shape("[A-Za-z0-9._-]+", "must be the id of a GitHub App, such as '123456'"),
        ]
        | None
    ) = Field(
        default=None,
        description="Id of a GitHub App that may read the repository; the Secret then holds its "
        "key as privateKey. Example: '123456'.",
    )
    credentials_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret with a token (keys token and, where the host wants one, username) or a "
        "GitHub App's privateKey. Left out: the repository is public.",
    )
    ca_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret whose key ca.crt holds the certificates (PEM) to trust the host by. "
        "Left out: those of the image.",
    )
    include_globs: Annotated[list[Glob], Unique()] = Field(
        default=["*"],
        min_length=1,
        max_length=100,
        description="Which files to read: patterns as in .gitignore, where * alone is everything. "
        "Default: ['*']. Example: ['*.py', 'docs/**'].",
    )
    exclude_globs: Annotated[list[Glob], Unique()] = Field(
        default_factory=list,
        max_length=100,
        description="Which files to leave out, patterns as in .gitignore; wins over includeGlobs. "
        "Example: ['vendor/'].",
    )
    max_file_size_bytes: int = Field(
        default=1_048_576,
        ge=1,
        le=104_857_600,
        description="Files over so many bytes are skipped, at most 104857600. Default: 1048576.",
    )
    include_generated: bool = Field(
        default=False,
        description="Also read what tools made: lock files, minified code, files that say so or "
        "are marked linguist-generated, and texts that are mostly encoded data. Default: false.",
    )
    include_vendored: bool = Field(
        default=False,
        description="Also read what is copied from elsewhere: node_modules, vendor folders, known "
        "libraries, and files marked linguist-vendored. Default: false.",
    )

    rules: ClassVar = (
        never_changes("repository", f"repository {_ADDRESS}", required=True),
        never_changes("baseUrl", f"baseUrl {_ADDRESS}"),
        Rule(
            "baseUrl",
            "baseUrl must be https when credentialsSecretRef is set: over plain http anyone on the "
            "way can read them; insecure: true allows it",
            "!has(self.credentialsSecretRef) || !self.baseUrl.startsWith('http://') || "
            "self.insecure",
            lambda g: (
                g.credentials_secret_ref is None
                or not g.base_url.startswith("http://")
                or g.insecure
            ),
        ),
        Rule(
            "appId",
            "appId needs credentialsSecretRef: the Secret with the App's privateKey",
            "!has(self.appId) || has(self.credentialsSecretRef)",
            lambda g: g.app_id is None or g.credentials_secret_ref is not None,
        ),
    )


class S3Source(ApiModel):
    """A bucket of S3, or of a server that speaks its protocol."""

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
    ] = Field(description="Region of the bucket. Example: eu-central-1.")
    collection_name: CollectionName = Field(
        description="The Chroma collection of runs that name none, 3 to 128 characters."
    )
    credentials_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret with the keys accessKeyId, secretAccessKey and, if there is one, "
        "sessionToken. Left out: the access of jobTemplate.serviceAccountName.",
    )
    path_prefix: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="Only objects whose key begins with this are read. Left out: all. Example: "
        "handbook/.",
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

    rules: ClassVar = (
        never_changes("bucketName", f"bucketName {_ADDRESS}", required=True),
        never_changes("endpointUrl", f"endpointUrl {_ADDRESS}"),
        Rule(
            "queueUrl",
            "queueUrl must be set when autoSync is direct or metadata, and only then",
            "has(self.queueUrl) == (self.autoSync != 'none')",
            lambda s3: (s3.queue_url is not None) == (s3.auto_sync != "none"),
        ),
    )


class WebSource(ApiModel):
    """A web site, read from one page on, within the host of that page."""

    starting_url: Annotated[
        str,
        Field(min_length=8, max_length=2048),
        shape(
            r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
            r"([/?][A-Za-z0-9._~!$&()*+,;=:@%/?-]*)?",
            "must be an http:// or https:// address of a page, without user and fragment, such as "
            "https://docs.example.com/",
        ),
    ] = Field(
        description="The page to begin with; only its host is read. Example: "
        "https://docs.example.com/."
    )
    page_limit: int = Field(
        default=50, ge=1, le=500, description="Read at most so many pages, 1 to 500. Default: 50."
    )
    max_depth: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Follow links at most so many steps from the first page; 0 is that page alone. "
        "Left out: no limit.",
    )
    include_path_regexes: Annotated[list[PathRegex], Unique()] = Field(
        default_factory=list,
        max_length=50,
        description="Read only pages in whose path one of these is found. Empty: all. Example: "
        "['^/docs/'].",
    )
    exclude_path_regexes: Annotated[list[PathRegex], Unique()] = Field(
        default_factory=list,
        max_length=50,
        description="Leave out pages in whose path one of these is found; wins over "
        "includePathRegexes. Example: ['/archive/'].",
    )
    rendering: Literal["Auto", "Never", "Always"] = Field(
        default="Auto",
        description="Whether a browser runs the scripts of pages. Auto: where a page is empty "
        "without. Default: Auto.",
    )

    rules: ClassVar = (never_changes("startingUrl", f"startingUrl {_ADDRESS}", required=True),)
