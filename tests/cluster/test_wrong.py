"""What is wrong says so: its own reason within a minute, and a message that a person can act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.kit import installation, servers
from cluster.kit.cluster import condition, eventually, every_pod, secret
from cluster.kit.world import World, unique

pytestmark = pytest.mark.cluster

GITHUB = {"repository": servers.REPOSITORY, "baseUrl": servers.GIT_URL}


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        (
            {"github": {**GITHUB, "repository": "acme/none"}},
            "RepositoryNotFound",
            ["acme/none", "spec.github.repository"],
        ),
        (
            {"github": {**GITHUB, "baseUrl": "http://nowhere.fakes.svc:8418"}},
            "HostUnreachable",
            ["nowhere.fakes.svc"],
        ),
        ({"databaseName": "nope"}, "DatabaseNotFound", ["nope", "spec.databaseName"]),
        (
            {"chroma": {"url": "http://nowhere.fakes.svc:8000"}},
            "ChromaUnavailable",
            ["nowhere.fakes.svc"],
        ),
        (
            {"embedding": {"dense": {"model": "acme/unheard-of"}}},
            "ModelNotServed",
            ["acme/unheard-of", "spec.embedding.dense.model", servers.MODEL],
        ),
        (
            {"chroma": {"url": servers.CHROMA_URL, "tokenSecretRef": {"name": "absent"}}},
            "SecretNotFound",
            ["absent", "token"],
        ),
        ({"jobTemplate": {"nodeSelector": {"nowhere": "true"}}}, "Unschedulable", ["node"]),
        ({"deletionPolicy": "Delete"}, "NotImplemented", ["deletionPolicy"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_source(
    world: World, namespace: str, changes: dict[str, Any], reason: str, words: list[str]
) -> None:
    world.cluster.apply(world.source(namespace, **changes), world.invocation(namespace, "waits"))
    ready = world.reason("Source", namespace, "shop", "Ready", reason)
    assert ready["status"] == "False"
    for word in words:
        assert word in ready["message"], ready["message"]

    def waiting() -> bool:
        seen = condition(world.cluster.get("Invocation", namespace, "run"), "Succeeded")
        known = (seen.get("status"), seen.get("reason")) == ("Unknown", "SourceNotReady")
        return known and reason in seen["message"]

    eventually("the Invocation waits and says why", waiting, 30)


def test_a_branch(world: World, namespace: str) -> None:
    world.cluster.apply(
        world.source(namespace),
        world.invocation(
            namespace, unique("branch"), github={"refIdentifier": {"branch": "no-such"}}
        ),
    )
    ended = condition(world.ended(namespace, seconds=60), "Succeeded")
    assert (ended["status"], ended["reason"]) == ("False", "RefNotFound")
    assert "no-such" in ended["message"] and "refIdentifier" in ended["message"]
    assert condition(world.cluster.get("Source", namespace, "shop"), "Ready")["status"] == "True"
    # What failed can be looked at.
    (job,) = world.cluster.list("Job", namespace, "chromasync.dev/step=run")
    log = world.cluster.kubectl("-n", namespace, "logs", f"job/{job['metadata']['name']}")
    assert "no-such" in log


def test_a_memory_limit(world: World, namespace: str) -> None:
    limited = {"resources": {"requests": {"memory": "32Mi"}, "limits": {"memory": "48Mi"}}}
    world.cluster.apply(
        world.source(namespace, jobTemplate=limited), world.invocation(namespace, unique("memory"))
    )
    seen = world.reason("Invocation", namespace, "run", "Succeeded", "OutOfMemory")
    assert "memory" in seen["message"]


@pytest.mark.disturbs
def test_an_image(world: World, namespace: str) -> None:
    operator, worker = installation.image("OPERATOR_IMAGE"), installation.image("WORKER_IMAGE")
    installation.install(world.cluster, operator, "localhost/chroma-sync/absent:1")
    try:
        world.cluster.apply(world.source(namespace))
        ready = world.reason("Source", namespace, "shop", "Ready", "ImagePullFailed")
        assert "localhost/chroma-sync/absent:1" in ready["message"]
    finally:
        installation.install(world.cluster, operator, worker)
    # With the image back, the Source becomes Ready by itself.
    world.ready(namespace, seconds=120)


def test_a_secret_that_comes_late(world: World, namespace: str) -> None:
    chroma = {"url": servers.CHROMA_URL, "tokenSecretRef": {"name": "late"}}
    world.cluster.apply(world.source(namespace, chroma=chroma))
    world.reason("Source", namespace, "shop", "Ready", "SecretNotFound")
    world.cluster.apply(secret(namespace, "late", token="canary-7f3a"))
    world.ready(namespace, seconds=120)
    assert "canary-7f3a" not in world.describe(namespace)


def test_a_token_that_is_refused_is_never_shown(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """The Git host stands for a server that refuses the token: it knows none of Chroma's paths."""
    chroma = {"url": servers.GIT_URL, "tokenSecretRef": {"name": "token"}}
    pods, seen = tmp_path / "pods.yaml", list[str]()

    def look() -> bool:
        shown = world.cluster.kubectl(
            *("-n", namespace, "get", "sources,jobs,events", "-o", "yaml")
        )
        seen.extend((shown, world.describe(namespace)))
        ready = condition(world.cluster.get("Source", namespace, "shop"), "Ready")
        return ready.get("reason") == "ChromaUnavailable"

    with every_pod(namespace, pods):
        world.cluster.apply(
            secret(namespace, "token", token="canary-91d2"),
            world.source(namespace, chroma=chroma),
        )
        eventually("the Source says that Chroma refuses", look, 60)
    everything = "\n".join((*seen, pods.read_text()))
    assert "exitCode: " in everything, "the pod was seen after it had the token"
    assert "canary-91d2" not in everything


def test_a_key_that_tei_does_not_take(world: World, namespace: str) -> None:
    """All TEI servers of the tests demand the installation's key, so every other run shows that it
    is sent."""
    key = installation.TEI_SECRET
    world.cluster.kubectl("-n", namespace, "delete", "secret", key)
    world.cluster.apply(world.source(namespace))
    missing = world.reason("Source", namespace, "shop", "Ready", "SecretNotFound")
    assert repr(key) in missing["message"]
    world.cluster.apply(secret(namespace, key, installationToken="canary-c0d8"))
    refused = world.reason("Source", namespace, "shop", "Ready", "CredentialsRejected")
    assert servers.TEI_URL in refused["message"]
    world.cluster.apply(secret(namespace, key, installationToken=servers.TEI_KEY))
    world.ready(namespace, seconds=120)
    assert "canary" not in world.describe(namespace)


def test_a_chroma_server_that_comes_late(world: World, namespace: str) -> None:
    chroma = {"url": f"http://chroma.{namespace}.svc:8000"}
    world.cluster.apply(world.source(namespace, chroma=chroma))
    world.reason("Source", namespace, "shop", "Ready", "ChromaUnavailable")
    address = f"chroma.{servers.NAMESPACE}.svc.cluster.local"
    world.cluster.kubectl(
        *("-n", namespace, "create", "service", "externalname", "chroma"),
        *("--external-name", address),
    )
    world.ready(namespace, seconds=120)


def test_a_tei_server_that_comes_late(world: World, namespace: str) -> None:
    late = {"dense": {"model": servers.LATE_MODEL}}
    world.cluster.apply(world.source(namespace, embedding=late))
    world.reason("Source", namespace, "shop", "Ready", "EmbeddingUnavailable")
    servers.start_late_tei(world.cluster, installation.image("FAKES_IMAGE"))
    world.ready(namespace, seconds=120)
