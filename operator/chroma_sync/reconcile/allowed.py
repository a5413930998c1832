"""What the installation lets Sources name: hosts, and service accounts for their pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from chroma_sync.api.kinds.origin import origin_of
from chroma_sync.api.source import SourceSpec
from chroma_sync.reconcile.installation import Installation

NAMES_SHOWN: Final = 10


def not_allowed(spec: SourceSpec, installation: Installation) -> str:
    """The first thing in a Source that the installation does not allow, and what to do; empty when
    it allows all. What the installation itself names is always allowed."""
    hosts = installation.allowed_hosts
    for field, url in _addresses(spec):
        host = (urlsplit(url).hostname or "").lower()
        if hosts and not any(_matches(host, allowed.lower()) for allowed in hosts):
            what, where = f"{field}: the host {host}", "allowedHosts"
            return _not_allowed_message(what, where, hosts)
    account, accounts = (
        spec.job_template.service_account_name,
        installation.allowed_service_accounts,
    )
    if account and accounts and account not in accounts:
        what = f"spec.jobTemplate.serviceAccountName: the service account {account}"
        return _not_allowed_message(what, "allowedServiceAccounts", accounts)
    return ""


def _addresses(spec: SourceSpec) -> Iterator[tuple[str, str]]:
    """Each field that names a server, with its address."""
    if spec.chroma is not None:
        yield "spec.chroma.url", spec.chroma.url
    origin = origin_of(spec)
    for field, url in origin.hosts():
        yield f"spec.{origin.member}.{field}", url


def _matches(host: str, allowed: str) -> bool:
    """`*.example.com` stands for all hosts below example.com, but not for itself."""
    if allowed.startswith("*."):
        return host.endswith(allowed[1:]) and len(host) > len(allowed) - 1
    return host == allowed


def _not_allowed_message(what: str, where: str, allowed: Sequence[str]) -> str:
    names = ", ".join(allowed[:NAMES_SHOWN])
    more = f" and {len(allowed) - NAMES_SHOWN} more" if len(allowed) > NAMES_SHOWN else ""
    return (
        f"{what} is not allowed here. Allowed are: {names}{more}. Name one of these, or have it "
        f"added to {where} of the chart."
    )
