"""Installs the operator as a user would: with Helm, from the chart."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from cluster.kit import servers
from cluster.kit.cluster import Cluster, Object, secret

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "chroma-sync"
NAMESPACE = "chroma-sync-system"
RELEASE = "chroma-sync"
SERVICE_ACCOUNT = f"{RELEASE}-operator"
DEPLOYMENT = f"deployment/{RELEASE}-operator"
OPERATOR_POD = "app.kubernetes.io/name=chroma-sync"  # a label
# Secrets with the tokens of the installation's servers. The tests' Chroma is sent one and looks at
# none; their TEI demands it.
CHROMA_SECRET, TEI_SECRET = "chroma-token", "tei-token"
CHROMA_KEY = "canary-chroma-key-83d6"


def image(variable: str) -> str:
    """The image that the runner built."""
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: run these tests with `make test-cluster`"
    return value


def install(cluster: Cluster, operator: str, worker: str, **more: object) -> None:
    """Install or change the release, and wait until the operator is Ready. `more`: other values."""
    # Helm installs CRDs once and never changes them; the tests want those of this checkout.
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHART / "crds"))
    values = {
        "image": {"operator": operator, "worker": worker},
        "chroma": {"url": servers.CHROMA_URL, "tokenSecret": CHROMA_SECRET},
        "tei": {
            "tokenSecret": TEI_SECRET,
            "endpoints": [
                {"model": servers.MODEL, "url": servers.TEI_URL},
                {"model": servers.SLOW_MODEL, "url": servers.SLOW_TEI_URL},
                {"model": servers.LATE_MODEL, "url": servers.LATE_TEI_URL},
            ],
        },
        **more,
    }
    helm(
        *("upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE),
        *("--create-namespace", "--wait", "--timeout", "120s", "--values", "-"),
        stdin=json.dumps(values),
    )


def namespace(name: str) -> list[Object]:
    """A namespace for Sources, with the Secrets that the chart says each of them needs."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        secret(name, CHROMA_SECRET, installationToken=CHROMA_KEY),
        secret(name, TEI_SECRET, installationToken=servers.TEI_KEY),
    ]


def uninstall(cluster: Cluster) -> None:
    """Take the release away. The CRDs stay, as Helm leaves them."""
    helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")


def scale(cluster: Cluster, replicas: int) -> None:
    """Stop the operator (0), until it is gone, or start it (1), until it is Ready."""
    namespace, timeout = ("-n", NAMESPACE), "--timeout=120s"
    cluster.kubectl(*namespace, "scale", DEPLOYMENT, f"--replicas={replicas}")
    if replicas:
        cluster.kubectl(*namespace, "rollout", "status", DEPLOYMENT, timeout)
    else:
        cluster.kubectl(*namespace, "wait", "--for=delete", "pod", "-l", OPERATOR_POD, timeout)


def helm(*arguments: str, stdin: str | None = None) -> str:
    """Run Helm; raises with its message when it fails."""
    done = subprocess.run(
        ["helm", *arguments], input=stdin, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def kill_operator(cluster: Cluster) -> None:
    """Kill the operator's pod at once, without a word to it."""
    pods = cluster.list("Pod", NAMESPACE, OPERATOR_POD)
    for pod in pods:
        cluster.kubectl(
            *("-n", NAMESPACE, "delete", "pod", pod["metadata"]["name"]),
            *("--grace-period=0", "--force", "--wait=false"),
        )
