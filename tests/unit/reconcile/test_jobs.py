"""What the pods of a step may see of Secrets."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.api.configuration import ChromaServer, Configuration, EmbeddingConfiguration
from chroma_sync.api.contract import Step
from chroma_sync.api.source import Chunking, GithubSource, JobTemplate
from chroma_sync.reconcile.jobs import Owner, check_job, step_job
from unit.reconcile.build import INSTALLATION

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


GIT, CA = "/var/run/chroma-sync/secrets/git", "/var/run/chroma-sync/secrets/git-ca"


@pytest.mark.parametrize(
    ("github", "mounted"),
    [
        ({}, {}),
        ({"credentialsSecretRef": {"name": "t"}}, {GIT: ("t", ["token", "username"])}),
        ({"appId": "1", "credentialsSecretRef": {"name": "t"}}, {GIT: ("t", ["privateKey"])}),
        ({"caSecretRef": {"name": "c"}}, {CA: ("c", ["ca.crt"])}),
    ],
)
def test_a_pod_sees_the_keys_that_it_needs_and_no_others(
    github: dict[str, Any], mounted: dict[str, Any]
) -> None:
    wanted = configuration(**github)
    assert secrets(check_job(OWNER, "1", wanted, INSTALLATION)) == mounted
    for step in (Step.RUN, Step.PLAN, Step.WORK, Step.FINISH):
        assert secrets(step_job(OWNER, step, wanted, INSTALLATION)) == mounted
