"""The servers that runs need, as pods of the fakes image: Chroma, a TEI, a Git host, and S3."""

from __future__ import annotations

import os
from typing import Any

from cluster.kit.cluster import Cluster, Object, secret
from fakes import github

NAMESPACE = "fakes"
CHROMA_URL = f"http://chroma.{NAMESPACE}.svc:8000"
TEI_URL = f"http://tei.{NAMESPACE}.svc:8080"
GATE_URL = f"http://gate.{NAMESPACE}.svc:8001"  # Chroma, behind a gate that can hold a request
GIT_URL = f"http://git.{NAMESPACE}.svc:8418"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# The same model under another name, on a server of its own: tests make it slow, or break it.
SLOW_MODEL = "acme/slow"
SLOW_TEI_URL = f"http://slow-tei.{NAMESPACE}.svc:8080"
REPOSITORY = "acme/shop"
# S3, by moto, and by Versity's gateway, which keeps objects as files and checks what is signed.
S3 = {"s3": 5000, "versitygw": 7070}
S3_KEYS = {"accessKeyId": "tests", "secretAccessKey": "canary-s3-key-7c1d"}
VERSITYGW_IMAGE = "docker.io/versity/versitygw:v1.8.0"
# A GitHub with an authority of its own, and a private repository with a history.
GITHUB_URL = f"https://github.{NAMESPACE}.svc:{github.HTTPS_PORT}"
PRIVATE = "acme/private"
# A model that the installation knows an endpoint for, and whose server starts later.
LATE_MODEL = "acme/late"
LATE_TEI_URL = f"http://late-tei.{NAMESPACE}.svc:8080"
# What all TEI servers demand, as a real one does with --api-key.
TEI_KEY = "canary-tei-key-5e0b"
_TEI_SECRET = "tei-key"


def _tei(model: str) -> tuple[int, str]:
    limits = "--max-client-batch-size 8 --max-concurrent-requests 32 --api-key-env TEI_KEY"
    command = f"python -m fakes.tei --host 0.0.0.0 --port 8080 --model-id {model} {limits}"
    return 8080, f"{command} --cache /data/vectors.sqlite"


# A shell stays the first process of each container, for a container's own first process can't be
# killed from inside. Its end with an error makes the kubelet start the container again.
_SERVERS: dict[str, tuple[int, str]] = {
    "chroma": (8000, "chroma run --host 0.0.0.0 --port 8000 --path /data/chroma"),
    "tei": _tei(MODEL),
    "slow-tei": _tei(SLOW_MODEL),
    "gate": (8001, "python -m fakes.gate chroma:8000 8001"),
    "git": (
        8418,
        f"test -d /data/{REPOSITORY} || python -m fakes.repository /data/{REPOSITORY};"
        " python -m fakes.git_host /data 8418",
    ),
    # The first name of its host is no bucket.
    "s3": (
        S3["s3"],
        "S3_IGNORE_SUBDOMAIN_BUCKETNAME=true python -m moto.server"
        f" --host 0.0.0.0 --port {S3['s3']}",
    ),
    "github": (
        github.HTTPS_PORT,
        f"test -d /data/{PRIVATE} || python -m fakes.history /data/{PRIVATE};"
        f" python -m fakes.github /data github.{NAMESPACE}.svc",
    ),
}
_KILL = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) not in (1, os.getpid()):
        os.kill(int(pid), signal.SIGKILL)
"""


def manifests(image: str) -> list[Object]:
    """A namespace, the key to TEI, and for each server a Deployment and a Service."""
    objects: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        secret(NAMESPACE, _TEI_SECRET, token=TEI_KEY),
    ]
    for name, (port, command) in _SERVERS.items():
        objects += [_deployment(name, port, command, image), _service(name, port)]
    port = S3["versitygw"]
    objects += [_versitygw(port), _service("versitygw", port)]
    # The door for tests.
    return [*objects, _service("github-state", github.HTTP_PORT, app="github")]


def start(cluster: Cluster, image: str) -> None:
    """Start the servers and wait until all answer."""
    cluster.apply(*manifests(image))
    for name in (*_SERVERS, "versitygw"):
        cluster.kubectl(
            *("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=180s")
        )


def start_late_tei(cluster: Cluster, image: str) -> None:
    """Start the server of the model that comes late."""
    port, command = _tei(LATE_MODEL)
    cluster.apply(_deployment("late-tei", port, command, image), _service("late-tei", port))


def stop(cluster: Cluster) -> None:
    """Take the servers away."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")


def kill_main_process(cluster: Cluster, server: str) -> None:
    """Kill a server with SIGKILL. Its container starts again with its data on disk."""
    pod = cluster.list("Pod", NAMESPACE, f"app={server}")[0]["metadata"]["name"]
    cluster.kubectl("-n", NAMESPACE, "exec", pod, "--", "python", "-c", _KILL, check=False)


def s3_url(server: str) -> str:
    """Where pods find an S3 server."""
    return f"http://{server}.{NAMESPACE}.svc:{S3[server]}"


def _versitygw(port: int) -> Object:
    container = {
        "image": os.environ.get("S3_IMAGE", VERSITYGW_IMAGE),
        "args": ["--port", f":{port}", "posix", "/data"],
        "env": [
            {"name": "ROOT_ACCESS_KEY", "value": S3_KEYS["accessKeyId"]},
            {"name": "ROOT_SECRET_KEY", "value": S3_KEYS["secretAccessKey"]},
        ],
    }
    return _one_container("versitygw", port, container)


def _deployment(name: str, port: int, command: str, image: str) -> Object:
    key = {"secretKeyRef": {"name": _TEI_SECRET, "key": "token"}}
    container: dict[str, Any] = {
        "image": image,
        "command": ["sh", "-c", f"{command}; exit 1"],
        "env": [{"name": "HOME", "value": "/data"}, {"name": "TEI_KEY", "valueFrom": key}],
    }
    return _one_container(name, port, container)


def _one_container(name: str, port: int, container: dict[str, Any]) -> Object:
    whole = {
        "name": name,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        **container,
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [whole],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "securityContext": {"runAsUser": 65532, "fsGroup": 65532},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def _service(name: str, port: int, app: str = "") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": app or name}, "ports": [{"port": port}]},
    }
