"""Jobs, pods and Secrets that say what is not true, on the real API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chroma_sync.api.contract import Result, Step, encode_result
from chroma_sync.api.invocation import DocumentCounts
from chroma_sync.reconcile.names import job_name
from cluster.kit import installation, servers
from cluster.kit.cluster import Object, eventually
from cluster.kit.world import API, World, unique

pytestmark = pytest.mark.cluster

INVENTED = 999


@pytest.fixture
def going(world: World) -> Iterator[str]:
    """A namespace with a run that goes for as long as the test does not let it end."""
    victim = unique("victim")
    world.tei_delay(0.5)
    world.cluster.apply(
        *installation.namespace(victim),
        world.slow_source(victim, chunking={"type": "tree_sitter", "maxSizeBytes": 128}),
        world.invocation(victim, unique("victim")),
    )
    eventually("the run has a pod", lambda: world.run_pods(victim), 120)
    yield victim
    world.tei_delay(0)
    world.cluster.kubectl("delete", "namespace", victim, "--wait=false")


def forged(namespace: str, victim: str, uid: str, real_uid: str) -> Object:
    """A Job that says it is the run of another namespace, and that it has indexed a lot."""
    said = Result(documents=DocumentCounts(discovered=INVENTED, indexed=INVENTED))
    script = f"printf %s '{encode_result(said).decode()}' > /dev/termination-log"
    labels = {
        "chromasync.dev/source": "shop",
        "chromasync.dev/step": "run",
        "chromasync.dev/invocation-uid": uid,
    }
    owner = {
        "apiVersion": API,
        "kind": "Invocation",
        "name": f"../../{victim}/invocations/run",
        "uid": uid,
        "controller": True,
    }
    container = {
        "name": "worker",
        "image": installation.image("WORKER_IMAGE"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name("run", real_uid, Step.RUN.value),
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "template": {
                "metadata": {"labels": labels},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            }
        },
    }


@pytest.mark.parametrize("knows_the_uid", [True, False])
def test_a_job_acts_on_no_run_of_another_namespace(
    world: World, namespace: str, going: str, knows_the_uid: bool
) -> None:
    before = world.cluster.get("Invocation", going, "run") or {}
    real_uid = before["metadata"]["uid"]
    (job,) = world.cluster.list("Job", going, f"chromasync.dev/invocation-uid={real_uid}")
    uid = real_uid if knows_the_uid else "11111111-2222-3333-4444-555555555555"
    made = world.cluster.create("Job", namespace, forged(namespace, going, uid, real_uid))

    def over() -> bool:
        found = world.cluster.get("Job", namespace, made["metadata"]["name"])
        # Kubernetes may take it away itself, for it has no owner there.
        return found is None or bool(found["status"].get("succeeded"))

    eventually("the forged Job is over", over, 60)
    world.tei_delay(0)
    after = world.succeeded(going)
    assert after["status"]["documents"]["indexed"] != INVENTED
    assert after["status"]["collection"]["name"] == after["spec"]["targetCollectionName"]
    assert after["status"]["attempts"] == 0, job["metadata"]["name"]

    def finished() -> str:
        source = world.cluster.get("Source", going, "shop") or {}
        return str(source["status"].get("lastFinishedCollection", {}).get("name", ""))

    # The Source takes notice of the end right after it.
    assert eventually("the end", finished, 30) == after["spec"]["targetCollectionName"]


def test_a_leaked_job_and_a_foreign_pod_hold_nobody_up(world: World, going: str) -> None:
    (pod,) = world.run_pods(going)
    alone = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "alone",
            "namespace": going,
            "labels": {
                **pod["metadata"]["labels"],
                "batch.kubernetes.io/job-completion-index": "foo",
            },
        },
        "spec": {
            "nodeSelector": {"nowhere": "true"},
            "containers": [{"name": "worker", "image": installation.image("WORKER_IMAGE")}],
        },
    }
    del alone["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]  # type: ignore[index]
    world.cluster.apply(alone)
    world.cluster.kubectl("-n", going, "delete", "invocation", "run", "--cascade=orphan")
    world.cluster.apply(world.invocation(going, unique("next"), name="next"))

    def has_a_pod() -> bool:
        uid = (world.cluster.get("Invocation", going, "next") or {})["metadata"]["uid"]
        return any(
            p["metadata"]["labels"]["chromasync.dev/invocation-uid"] == uid
            for p in world.run_pods(going)
        )

    eventually("the next run has a pod", has_a_pod, 60)


def test_a_token_of_kubernetes_is_not_sent(world: World, namespace: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": "default-token",
            "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": "default"},
        },
    }
    eventually(
        "the default service account",
        lambda: world.cluster.kubectl("-n", namespace, "get", "sa", "default", check=False),
        30,
    )
    world.cluster.apply(secret)

    def filled() -> bool:
        found = world.cluster.get("Secret", namespace, "default-token") or {}
        return "token" in (found.get("data") or {})

    eventually("Kubernetes writes the token", filled, 30)
    own = {"url": servers.CHROMA_URL, "tokenSecretRef": {"name": "default-token"}}
    world.cluster.apply(world.source(namespace, chroma=own))
    seen = world.reason("Source", namespace, "shop", "Ready", "ServiceAccountToken")
    assert "default-token" in seen["message"]


def test_the_token_of_the_installation_can_not_be_named(world: World, namespace: str) -> None:
    own = {"url": servers.CHROMA_URL, "tokenSecretRef": {"name": installation.CHROMA_SECRET}}
    world.cluster.apply(world.source(namespace, chroma=own))
    seen = world.reason("Source", namespace, "shop", "Ready", "SecretNotFound")
    assert "'token'" in seen["message"]


@pytest.mark.disturbs
def test_an_operator_waits_for_its_crds(world: World, namespace: str) -> None:
    """It notices that they go, waits for them, says so, and goes on when they come."""
    crds = str(installation.CHART / "crds")
    world.cluster.kubectl("delete", "-f", crds, "--timeout=120s")

    def waits() -> bool:
        log = world.cluster.kubectl(
            *("-n", installation.NAMESPACE, "logs", "--tail=20", installation.DEPLOYMENT),
            check=False,
        )
        return "waiting for the CRDs" in log

    try:
        eventually("the operator says what it waits for", waits, 120)
        state = world.cluster.kubectl(
            *("-n", installation.NAMESPACE, "get", installation.DEPLOYMENT),
            *("-o", "jsonpath={.status.readyReplicas}"),
        )
        assert state in ("", "0"), "it is Ready, and blind"
    finally:
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", crds)
    world.cluster.kubectl(
        *("-n", installation.NAMESPACE, "rollout", "status", installation.DEPLOYMENT),
        "--timeout=120s",
    )
    world.cluster.apply(world.source(namespace))
    world.ready(namespace)
