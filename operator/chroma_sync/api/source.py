"""The kind `Source`: where data lives, how to chunk it, and which model embeds it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from chroma_sync.api.conditions import Condition
from chroma_sync.api.job_template import JobTemplate
from chroma_sync.api.meta import (
    ApiModel,
    HttpUrl,
    ObjectMeta,
    Rule,
    SecretReference,
    never_changes,
    section,
)
from chroma_sync.api.origins import GithubSource, S3Source, WebSource, cron_line
