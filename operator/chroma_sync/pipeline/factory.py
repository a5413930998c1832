"""Builds the source a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.meta import secret_name
from chroma_sync.api.reasons import DocumentReason
from chroma_sync.api.source import GithubSource
from chroma_sync.pipeline.fetch import Source
from chroma_sync.pipeline.fetch.git.access import Access, Public, TokenAccess
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.github_app import AppAccess
from chroma_sync.pipeline.fetch.git.globs import Globs
from chroma_sync.pipeline.fetch.git.http import Trust
from chroma_sync.pipeline.fetch.git.remote import Remote, no_other_authorities
from chroma_sync.pipeline.fetch.git.source import GitSource
from chroma_sync.pipeline.fetch.patience import Patience
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import NO_SECRETS, Secret, Secrets


def make_source(
    configuration: Configuration,
    scratch: Path,
    stop: StopSignal,
    secrets: Secrets = NO_SECRETS,
    patience: Patience | None = None,
) -> Source:
    """The source of a run, or of a check when the configuration has no run. `stop` ends what it
    has under way; without `patience` the host is not waited for. Raises `Misconfigured`."""
    github = configuration.github
    ref = configuration.run.github_ref if configuration.run else None
    trust = _trust(github, secrets, scratch, stop)
    remote = Remote(
        f"{github.base_url.rstrip('/')}/{github.repository}",
        _access(github, secrets, trust),
        trust,
        patience or Patience(),
        GitCommand(stop),
    )
    return GitSource(
        remote,
        branch=ref.branch if ref else None,
        sha=ref.sha if ref else None,
        tag=ref.tag if ref else None,
        globs=Globs(github.include_globs, github.exclude_globs),
        included=_included(github),
        max_file_size=github.max_file_size_bytes,
        scratch=scratch,
    )


def _trust(github: GithubSource, secrets: Secrets, scratch: Path, stop: StopSignal) -> Trust:
    name = secret_name(github.ca_secret_ref)
    if name is None:
        return Trust(stop)
    certificates = Secret(secrets, SecretUse.GIT_CA, name).value(SecretKey.CA)
    file = scratch / "ca.crt"
    no_other_authorities(file).mkdir(exist_ok=True)
    file.write_text(certificates, encoding="utf-8")
    return Trust(stop, file, name)


def _access(github: GithubSource, secrets: Secrets, trust: Trust) -> Access:
    name = secret_name(github.credentials_secret_ref)
    if name is None:
        return Public()
    secret = Secret(secrets, SecretUse.GIT, name)
    if github.app_id is None:
        return TokenAccess(secret)
    return AppAccess(github.base_url, github.repository, github.app_id, secret, trust)


def _included(github: GithubSource) -> frozenset[DocumentReason]:
    asked = {
        DocumentReason.GENERATED: github.include_generated,
        DocumentReason.VENDORED: github.include_vendored,
    }
    return frozenset(reason for reason, included in asked.items() if included)
