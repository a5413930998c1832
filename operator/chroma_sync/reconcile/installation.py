"""What the operator itself is set up with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chroma_sync.api.configuration import Settings
from chroma_sync.api.job_template import Resources
from chroma_sync.api.meta import ObjectName, Unique


def _check_resources() -> Resources:
    return Resources(requests={"cpu": "50m", "memory": "128Mi"}, limits={"memory": "512Mi"})


class Installation(Settings):
    """The settings file of the chart: servers, and the image of the worker."""

    worker_image: str = Field(min_length=1, max_length=2048)
    # Where Sources are served; everywhere when the list is empty.
    watch_namespaces: Annotated[list[ObjectName], Unique()] = Field(
        default_factory=list, max_length=100
    )
    # What Sources may name; everything where the list is empty.
    allowed_hosts: list[str] = Field(default_factory=list, max_length=1_000)
    allowed_service_accounts: list[str] = Field(default_factory=list, max_length=1_000)
    worker_image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    worker_image_pull_secrets: list[str] = Field(default_factory=list, max_length=20)
    check_resources: Resources = Field(default_factory=_check_resources)
    # For so long a run's failed Jobs are kept, with their pods and logs.
    failed_jobs_ttl_seconds: int = Field(default=3600, ge=0, le=2_147_483_647)
