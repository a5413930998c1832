"""What the installation lets Sources name."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.source import SourceSpec
from chroma_sync.reconcile.allowed import not_allowed
from unit.reconcile.build import INSTALLATION, message, pass_source, source, summary

GITHUB = {"repository": "acme/docs"}
S3 = {"bucketName": "bucket", "region": "eu-1", "collectionName": "docs"}
HOSTS = INSTALLATION.model_copy(update={"allowed_hosts": ["github.com", "*.Example.com"]})
ACCOUNTS = INSTALLATION.model_copy(update={"allowed_service_accounts": ["indexer"]})


def spec(**fields: Any) -> SourceSpec:
    return SourceSpec.model_validate(fields)


ALLOWED = {
    "the default": {"github": GITHUB},
    "below": {"github": {**GITHUB, "baseUrl": "https://git.example.com/x"}},
    "deep below, with a port": {"github": {**GITHUB, "baseUrl": "https://a.b.EXAMPLE.com:8443"}},
    "Chroma": {"github": GITHUB, "chroma": {"url": "http://chroma.example.com:8000"}},
}
REFUSED = {
    "spec.github.baseUrl: the host git.evil.test": {
        "github": {**GITHUB, "baseUrl": "https://git.evil.test"}
    },
    "spec.github.baseUrl: the host example.com": {
        "github": {**GITHUB, "baseUrl": "https://example.com"}
    },
    "spec.github.baseUrl: the host notexample.com": {
        "github": {**GITHUB, "baseUrl": "https://notexample.com"}
    },
    "spec.github.baseUrl: the host github.com.evil.test": {
        "github": {**GITHUB, "baseUrl": "https://github.com.evil.test"}
    },
    "spec.chroma.url: the host evil.test": {
        "github": GITHUB,
        "chroma": {"url": "http://evil.test:8000"},
    },
    "spec.s3.endpointUrl: the host evil.test": {"s3": {**S3, "endpointUrl": "https://evil.test"}},
    "spec.s3.queueUrl: the host evil.test": {
        "s3": {**S3, "autoSync": "direct", "queueUrl": "http://evil.test/1/q"}
    },
    "spec.web.startingUrl: the host evil.test": {"web": {"startingUrl": "https://evil.test/"}},
}


@pytest.mark.parametrize("fields", ALLOWED.values(), ids=ALLOWED)
def test_a_host_on_the_list_is_allowed(fields: dict[str, Any]) -> None:
    assert not_allowed(spec(**fields), HOSTS) == ""


@pytest.mark.parametrize("words", REFUSED)
def test_another_host_is_refused(words: str) -> None:
    refusal = not_allowed(spec(**REFUSED[words]), HOSTS)
    assert refusal.startswith(
        f"{words} is not allowed here. Allowed are: github.com, *.Example.com."
    )
    assert "allowedHosts" in refusal
    assert not_allowed(spec(**REFUSED[words]), INSTALLATION) == "", "an empty list allows all"


def test_a_service_account_must_be_on_the_list() -> None:
    other, listed = ({"serviceAccountName": name} for name in ("admin", "indexer"))
    refusal = not_allowed(spec(github=GITHUB, jobTemplate=other), ACCOUNTS)
    assert refusal.startswith("spec.jobTemplate.serviceAccountName: the service account admin is")
    assert "allowedServiceAccounts" in refusal
    assert not_allowed(spec(github=GITHUB, jobTemplate=listed), ACCOUNTS) == ""
    assert not_allowed(spec(github=GITHUB), ACCOUNTS) == ""
    assert not_allowed(spec(github=GITHUB, jobTemplate=other), INSTALLATION) == ""


def test_a_source_that_names_what_is_not_allowed_gets_no_pod() -> None:
    obj = source(spec={"chroma": {"url": "http://evil.test:8000"}})
    after, decision = pass_source(obj, installation=HOSTS)
    assert summary(after) == ("False", "NotAllowed")
    assert after.status.conditions[-1].type == "Stalled"
    assert "spec.chroma.url" in message(after)
    assert decision.actions == []
