"""The kind `github`: a Git repository, on GitHub or on any host that serves Git over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field

from chroma_sync.api.kinds.kind import ADDRESS_KEPT, Kind, SecretMount
from chroma_sync.api.meta import (
    ApiModel,
    HttpUrl,
    Rule,
    SecretReference,
    Unique,
    at_most_bytes,
    never_changes,
    shape,
    shape_not,
)
from chroma_sync.api.secret_keys import SecretKey, SecretUse

_PRINTABLE = r"[^\x00-\x1f\x7f]"

# What they may come to at most is part of a run's configuration, which has to fit into a ConfigMap
# and into the Invocation's status.
_GLOBS_MAX: Final = 200
_GLOB_BYTES_MAX: Final = 512

Glob = Annotated[
    str,
    Field(min_length=1, max_length=_GLOB_BYTES_MAX),
    at_most_bytes(_GLOB_BYTES_MAX),
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


class GithubSource(Kind):
    """A Git repository, on GitHub or on any host that serves Git over HTTP."""

    member: ClassVar = "github"
    connector: ClassVar = "chroma_sync.pipeline.fetch.git"
    address_field: ClassVar = "repository"
    served: ClassVar = (
        *("repository", "baseUrl", "appId", "credentialsSecretRef", "caSecretRef", "insecure"),
        *("includeGlobs", "excludeGlobs", "maxFileSizeBytes", "includeGenerated"),
        "includeVendored",
    )
    run_served: ClassVar = ("refIdentifier",)
    unchecked: ClassVar = frozenset(
        {
            *("include_globs", "exclude_globs", "max_file_size_bytes"),
            *("include_generated", "include_vendored"),
        }
    )
    has_documents: ClassVar = False

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
        max_length=_GLOBS_MAX,
        description="Which files to read: patterns as in .gitignore, where * alone is everything. "
        "Default: ['*']. Example: ['*.py', 'docs/**'].",
    )
    exclude_globs: Annotated[list[Glob], Unique()] = Field(
        default_factory=list,
        max_length=_GLOBS_MAX,
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
        never_changes("repository", f"repository {ADDRESS_KEPT}", required=True),
        never_changes("baseUrl", f"baseUrl {ADDRESS_KEPT}"),
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

    def address(self) -> str:
        return f"{self.base_url.rstrip('/')}/{self.repository}"

    def hosts(self) -> Iterator[tuple[str, str]]:
        yield "baseUrl", self.base_url

    def secrets(self) -> Mapping[SecretUse, SecretMount | None]:
        keys = (SecretKey.PRIVATE_KEY,) if self.app_id else (SecretKey.TOKEN, SecretKey.USERNAME)
        return {
            SecretUse.SOURCE: SecretMount.of(self.credentials_secret_ref, *keys),
            SecretUse.SOURCE_CA: SecretMount.of(self.ca_secret_ref, SecretKey.CA),
        }


# A part of a branch's or tag's name: no control character, no blank, none of ~^:?*[\, no dot at
# either end and no two in a row. Source: git-check-ref-format(1).
_CHARACTER = r"[^\x00-\x20\x7f~^:?*\[\\/.]"
_PART = rf"{_CHARACTER}(\.?{_CHARACTER})*"
GitName = Annotated[
    str,
    Field(min_length=1, max_length=255),
    shape(
        rf"[^\x00-\x20\x7f~^:?*\[\\/.-](\.?{_CHARACTER})*(/{_PART})*",
        "must be a name that Git accepts, without 'refs/heads/' before it, such as main or "
        "release/1.2",
    ),
]


class GithubRef(ApiModel):
    """What to read of a repository. Exactly one field is set."""

    branch: GitName | None = Field(
        default=None, description="A branch; its newest commit is read. Example: main."
    )
    sha: (
        Annotated[
            str,
            Field(max_length=64),
            shape(
                "[0-9a-f]{7,64}",
                "must be a commit's SHA: 7 to 64 digits of 0-9 and a-f, in lower case",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="A commit, by its SHA-1 of 40 hexadecimal digits or its SHA-256 of 64, or by "
        "the first 7 or more of them: then all commits of the host's branches and tags are looked "
        "through.",
    )
    tag: GitName | None = Field(
        default=None, description="A tag; the commit it points at is read. Example: v1.2.0."
    )

    rules: ClassVar = (
        Rule(
            "",
            "exactly one of branch, sha and tag must be set in refIdentifier",
            "(has(self.branch) ? 1 : 0) + (has(self.sha) ? 1 : 0) + (has(self.tag) ? 1 : 0) == 1",
            lambda ref: sum(x is not None for x in (ref.branch, ref.sha, ref.tag)) == 1,
        ),
    )


class GithubRun(ApiModel):
    """What a run over a github Source reads."""

    ref_identifier: GithubRef | None = Field(
        default=None,
        description="Which state of the repository to read. Left out: the default branch.",
    )
