"""The connector of the kind `github`: repositories on hosts that serve Git over HTTP."""

from __future__ import annotations

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.kinds.github import GithubRun, GithubSource
from chroma_sync.api.meta import secret_name
from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.connector import Means
from chroma_sync.pipeline.fetch.git.access import Access, Public, TokenAccess
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.connector import GitConnector
from chroma_sync.pipeline.fetch.git.github_app import AppAccess
from chroma_sync.pipeline.fetch.git.globs import Globs
from chroma_sync.pipeline.fetch.git.http import TlsSettings
from chroma_sync.pipeline.fetch.git.remote import Remote, no_other_authorities
from chroma_sync.pipeline.secrets import NamedSecret


def connect(asked: GithubSource, run: GithubRun | None, means: Means) -> GitConnector:
    """The repository that a Source names, at what a run wants of it. Raises `Misconfigured`."""
    ref = run.ref_identifier if run else None
    tls = _tls(asked, means)
    remote = Remote(
        asked.address(), _access(asked, means, tls), tls, means.retries, GitCommand(means.stop)
    )
    return GitConnector(
        remote,
        branch=ref.branch if ref else None,
        sha=ref.sha if ref else None,
        tag=ref.tag if ref else None,
        globs=Globs(asked.include_globs, asked.exclude_globs),
        included=_included(asked),
        max_file_size=asked.max_file_size_bytes,
        scratch=means.scratch,
    )


def _tls(asked: GithubSource, means: Means) -> TlsSettings:
    name = secret_name(asked.ca_secret_ref)
    if name is None:
        return TlsSettings(means.stop)
    certificates = NamedSecret(means.secrets, SecretUse.SOURCE_CA, name).value(SecretKey.CA)
    file = means.scratch / "ca.crt"
    no_other_authorities(file).mkdir(exist_ok=True)
    file.write_text(certificates, encoding="utf-8")
    return TlsSettings(means.stop, file, name)


def _access(asked: GithubSource, means: Means, tls: TlsSettings) -> Access:
    name = secret_name(asked.credentials_secret_ref)
    if name is None:
        return Public()
    secret = NamedSecret(means.secrets, SecretUse.SOURCE, name)
    if asked.app_id is None:
        return TokenAccess(secret)
    return AppAccess(asked.base_url, asked.repository, asked.app_id, secret, tls)


def _included(asked: GithubSource) -> frozenset[DocumentReason]:
    wanted = {
        DocumentReason.GENERATED: asked.include_generated,
        DocumentReason.VENDORED: asked.include_vendored,
    }
    return frozenset(reason for reason, included in wanted.items() if included)
