"""What the pods of a step may see of Secrets, and what they may use."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.configuration import (
    ChromaServer,
    Configuration,
    EmbeddingConfiguration,
    resolve,
)
from chroma_sync.api.contract import Step
from chroma_sync.api.job_template import Resources
from chroma_sync.api.kinds.github import GithubSource
from chroma_sync.api.source import Chunking, JobTemplate
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.jobs import check_job, step_job
from chroma_sync.reconcile.owners import Owner
from unit.reconcile.build import INSTALLATION, MODEL, begun, made, pass_source, source

OWNER = Owner("Source", "team", "shop", "uid-1", "shop")


def configuration(**github: Any) -> Configuration:
    return Configuration(
        source="team/shop",
        database="default_database",
        chroma=ChromaServer(url="http://chroma:8000"),
        embedding=EmbeddingConfiguration(model="m", url="http://tei:80"),
        chunking=Chunking(),
        github=GithubSource.model_validate({"repository": "acme/shop", **github}),
        job_template=JobTemplate(),
    )


def secrets(job: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """What is mounted: for each folder the Secret and the keys."""
    pod = job["spec"]["template"]["spec"]
    found = {v["name"]: v["secret"] for v in pod["volumes"] if "secret" in v}
    assert all(secret["optional"] for secret in found.values())
    mounts = {m["name"]: m for m in pod["containers"][0]["volumeMounts"] if m["name"] in found}
    assert all(m["readOnly"] for m in mounts.values())
    return {
        mounts[name]["mountPath"]: (secret["secretName"], [i["key"] for i in secret["items"]])
        for name, secret in found.items()
    }


LOGIN, CA = "/var/run/chroma-sync/secrets/source", "/var/run/chroma-sync/secrets/source-ca"


CHROMA, TEI = "/var/run/chroma-sync/secrets/chroma", "/var/run/chroma-sync/secrets/tei"
WITH_TOKENS = Installation.model_validate(
    {
        "chroma": {"url": "http://chroma.test:8000", "tokenSecret": "chroma"},
        "endpoints": [{"model": MODEL, "url": "http://tei.test"}],
        "teiTokenSecret": "tei",
        "workerImage": "registry.test/worker:1",
    }
)


def mounted_of(own: dict[str, Any] | None, to: Installation = WITH_TOKENS) -> dict[str, Any]:
    """What is mounted for a Source that names this Chroma server, resolved `WITH_TOKENS`."""
    resolved = resolve(source(spec={"chroma": own} if own else {}), WITH_TOKENS, None)
    found = secrets(check_job(OWNER, "1", resolved, to).manifest)
    assert secrets(step_job(OWNER, Step.RUN, resolved, to).manifest) == found
    return found


def test_the_tokens_of_the_installation_have_a_key_of_their_own() -> None:
    own = (["installationToken"],)
    stored = resolve(source(), WITH_TOKENS, None)
    dumped = stored.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert Configuration.model_validate(dumped) == stored, "a status keeps it as JSON"
    assert mounted_of(None) == {CHROMA: ("chroma", *own), TEI: ("tei", *own)}


@pytest.mark.parametrize("url", ["http://evil.test", "http://chroma.test:8000"])
@pytest.mark.parametrize("name", ["chroma", "tei", "mine"])
def test_no_reference_leads_to_the_token_of_the_installation(url: str, name: str) -> None:
    """Not to the installation's own address either, where another tenant may be named."""
    mounted = mounted_of({"url": url, "tokenSecretRef": {"name": name}})
    assert mounted[CHROMA] == (name, ["token"])
    assert CHROMA not in mounted_of({"url": url})
    for github in ({"credentialsSecretRef": {"name": name}}, {"caSecretRef": {"name": name}}):
        keys = {key for _, found in secrets_of(configuration(**github)) for key in found}
        assert "installationToken" not in keys


def secrets_of(wanted: Configuration) -> list[tuple[str, list[str]]]:
    return list(secrets(check_job(OWNER, "1", wanted, WITH_TOKENS).manifest).values())


@pytest.mark.parametrize(
    "moved",
    [
        {"chroma": {"url": "http://new.test", "tokenSecret": "chroma"}},
        {"chroma": {"url": "http://chroma.test:8000", "tokenSecret": "new"}},
        {"endpoints": [{"model": MODEL, "url": "http://new.test"}]},
        {"teiTokenSecret": "new"},
    ],
)
def test_what_a_status_says_leads_to_no_token_of_the_installation(moved: dict[str, Any]) -> None:
    """A status may be written by others, and the chart's values may change in mid-run."""
    installation = WITH_TOKENS.model_dump(mode="json", by_alias=True) | moved
    mounted = mounted_of(None, Installation.model_validate(installation))
    assert list(mounted) == [TEI if "chroma" in moved else CHROMA]
    assert len(mounted_of(None)) == 2


@pytest.mark.parametrize(
    ("github", "mounted"),
    [
        ({}, {}),
        ({"credentialsSecretRef": {"name": "t"}}, {LOGIN: ("t", ["token", "username"])}),
        ({"appId": "1", "credentialsSecretRef": {"name": "t"}}, {LOGIN: ("t", ["privateKey"])}),
        ({"caSecretRef": {"name": "c"}}, {CA: ("c", ["ca.crt"])}),
    ],
)
def test_a_pod_sees_the_keys_that_it_needs_and_no_others(
    github: dict[str, Any], mounted: dict[str, Any]
) -> None:
    wanted = configuration(**github)
    assert secrets(check_job(OWNER, "1", wanted, INSTALLATION).manifest) == mounted
    for step in (Step.RUN, Step.PLAN, Step.WORK, Step.FINISH):
        assert secrets(step_job(OWNER, step, wanted, INSTALLATION).manifest) == mounted


def limits(template: dict[str, Any]) -> Any:
    _, _, decision = begun(jobTemplate=template)
    (job,) = made(decision)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container["resources"].get("limits")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"requests": {"cpu": "1"}}, {"memory": "2Gi"}),
        ({"requests": {"memory": "512Mi"}}, {"memory": "2Gi"}),
        ({"requests": {"memory": "3Gi"}}, {"memory": "3Gi"}),
        ({"requests": {"memory": "3e9"}}, {"memory": "3e9"}),
        ({"limits": {"cpu": "2"}}, {"cpu": "2", "memory": "2Gi"}),
        ({"limits": {"memory": "1Gi"}}, {"memory": "1Gi"}),
    ],
)
def test_a_worker_always_has_a_memory_limit(resources: Any, expected: Any) -> None:
    assert limits({"resources": resources}) == expected


def test_the_installation_sets_the_size_of_checks() -> None:
    small = Resources(limits={"memory": "64Mi"})
    installation = INSTALLATION.model_copy(update={"check_resources": small})
    _, decision = pass_source(source(), installation=installation)
    (job,) = made(decision)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {}, "limits": {"memory": "64Mi"}}
