"""Builds the source a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.reasons import DocumentReason
from chroma_sync.api.source import GithubSource
from chroma_sync.pipeline.fetch import Source
from chroma_sync.pipeline.fetch.attributes import GENERATED, VENDORED
from chroma_sync.pipeline.fetch.git import GitSource
from chroma_sync.pipeline.fetch.globs import Globs
from chroma_sync.pipeline.queues import StopSignal


def make_source(configuration: Configuration, scratch: Path, stop: StopSignal) -> Source:
    """The source of a run, or of a check when the configuration has no run. `stop` ends what it
    has under way."""
    github = configuration.github
    ref = configuration.run.github_ref if configuration.run else None
    return GitSource(
        f"{github.base_url.rstrip('/')}/{github.repository}",
        branch=ref.branch if ref else None,
        sha=ref.sha if ref else None,
        tag=ref.tag if ref else None,
        globs=Globs(github.include_globs, github.exclude_globs),
        skipped_marks=_skipped_marks(github),
        max_file_size=github.max_file_size_bytes,
        scratch=scratch,
        stop=stop,
    )


def _skipped_marks(github: GithubSource) -> dict[str, DocumentReason]:
    marks: dict[str, DocumentReason] = {}
    if not github.include_generated:
        marks[GENERATED] = DocumentReason.GENERATED
    if not github.include_vendored:
        marks[VENDORED] = DocumentReason.VENDORED
    return marks
