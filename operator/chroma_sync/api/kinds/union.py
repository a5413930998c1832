"""The kinds that there are, as members of a Source and of an Invocation. A new kind is added here,
and in a folder of its own."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from chroma_sync.api.kinds.github import GithubRun, GithubSource
from chroma_sync.api.kinds.kind import Kind
from chroma_sync.api.kinds.s3 import S3Run, S3Source
from chroma_sync.api.kinds.web import WebSource
from chroma_sync.api.meta import ApiModel


class SourceMembers(ApiModel):
    """Where data lives. Exactly one is set."""

    github: GithubSource | None = Field(
        default=None, description="A Git repository. Exactly one of github, s3 and web is set."
    )
    s3: S3Source | None = Field(
        default=None, description="An S3 bucket. Exactly one of github, s3 and web is set."
    )
    web: WebSource | None = Field(
        default=None, description="A web site. Exactly one of github, s3 and web is set."
    )


class RunMembers(ApiModel):
    """What to read of a Source. At most one is set, that of the Source's kind."""

    github: GithubRun | None = Field(
        default=None, description="What to read; for runs over a github Source only."
    )
    s3: S3Run | None = Field(
        default=None, description="What to read; for runs over an s3 Source, which need it."
    )


KINDS: Final[tuple[type[Kind], ...]] = (GithubSource, S3Source, WebSource)
