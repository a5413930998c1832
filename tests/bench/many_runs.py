"""1,200 runs that go at once, on a machine that could not hold the pods of a tenth of them.

Sources, Invocations, Jobs and pods are real objects of the real API server, as the operator and
Kubernetes would have made them. What is missing is who works on them: the Jobs are managed by a
controller that does not exist, the pods stand on a node without a kubelet. The addresses of the
pods lead to this node: behind those of the first half nobody answers, not even with a refusal, as
behind a NetworkPolicy; behind the others a server tells of ever more documents.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from aiohttp import web  # noqa: E402 - found only with the path above

from chroma_sync.api.configuration import resolve  # noqa: E402
from chroma_sync.api.contract import PROGRESS_PORT, Result, Step, encode_result  # noqa: E402
from chroma_sync.api.invocation import DocumentCounts, Invocation  # noqa: E402
from chroma_sync.api.source import Source  # noqa: E402
from chroma_sync.reconcile import check, jobs  # noqa: E402
from chroma_sync.reconcile.installation import Installation  # noqa: E402
from chroma_sync.reconcile.observed import CONTAINER  # noqa: E402
from chroma_sync.reconcile.owners import Owner  # noqa: E402
from cluster.kit import installation  # noqa: E402
from cluster.kit.cluster import Cluster, Object  # noqa: E402
from cluster.kit.world import World  # noqa: E402

NODE = "bench"
NOBODY = "chromasync.dev/bench"  # manages the Jobs
NOW = "2026-01-01T00:00:00Z"
SILENT, ANSWERING = "10.78.0.0/16", "10.77.0.0/16"
HEARTBEAT = 10.0  # seconds


@contextmanager
def going(world: World, namespace: str, silent: int, answering: int) -> Iterator[None]:
    """So many runs go until the block ends. Their Sources are Ready."""
    cluster = world.cluster
    with _node(cluster), _addresses(), _server():
        settings = installed(cluster)

        def make(n: int) -> None:
            block, number = (78, n) if n < silent else (77, n - silent)
            address = f"10.{block}.{number // 250}.{number % 250 + 1}"
            _make(world, namespace, f"goes-{n:04}", settings, address)

        try:
            # The operator would make the Jobs itself, and Kubernetes their pods.
            installation.scale(cluster, 0)
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(make, range(silent + answering)))
            installation.scale(cluster, 1)
            yield
        finally:
            # No kubelet says that they have ended.
            everything = ("--all", "--grace-period=0", "--force", "--wait=false")
            cluster.kubectl("-n", namespace, "delete", "pods", *everything)


def _make(world: World, namespace: str, name: str, settings: Installation, address: str) -> None:
    """One Source with its run, the run's Job, and the Job's pod."""
    cluster = world.cluster
    source = cluster.create("Source", namespace, world.source(namespace, name))
    asked = world.invocation(namespace, name, name=name, source=name)
    run = cluster.create("Invocation", namespace, asked)
    active = {"name": name, "uid": run["metadata"]["uid"]}
    ready = usable(source, settings) | {"activeInvocation": active}
    cluster.patch_status("Source", namespace, name, ready)
    configuration = resolve(
        Source.model_validate(source), settings, Invocation.model_validate(run)
    ).model_copy(update={"worker_image": settings.worker_image})
    begun = status(run, "Succeeded", "Unknown", "Processing", "The run is going.") | {
        "startTime": NOW,
        "configuration": configuration.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    cluster.patch_status("Invocation", namespace, name, begun)
    owner = Owner("Invocation", namespace, name, run["metadata"]["uid"], name)
    manifest = jobs.step_job(owner, Step.RUN, configuration, settings).manifest
    manifest["spec"]["managedBy"] = NOBODY
    job = cluster.create("Job", namespace, manifest)
    cluster.patch_status("Job", namespace, job["metadata"]["name"], {"active": 1, "startTime": NOW})
    pod = cluster.create("Pod", namespace, _pod(job))
    at_work = {"name": CONTAINER, "image": settings.worker_image, "imageID": "", "ready": True}
    at_work |= {"restartCount": 0, "state": {"running": {"startedAt": NOW}}}
    running = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "containerStatuses": [at_work],
    }
    cluster.patch_status("Pod", namespace, pod["metadata"]["name"], running)


def _pod(job: Object) -> Object:
    """The pod that the Job controller would have made, on the node without a kubelet."""
    metadata, template = job["metadata"], job["spec"]["template"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    own = {
        "name": f"{metadata['name']}-bench",
        "namespace": metadata["namespace"],
        "labels": template["metadata"]["labels"],
        "ownerReferences": [owner],
    }
    spec = template["spec"] | {"nodeName": NODE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": spec}


def installed(cluster: Cluster) -> Installation:
    """What the operator is set up with."""
    path = "jsonpath={.data.settings\\.yaml}"
    name = ("configmap", installation.SERVICE_ACCOUNT)
    told = cluster.kubectl("-n", installation.NAMESPACE, "get", *name, "-o", path)
    return Installation.model_validate(yaml.safe_load(told))


@contextmanager
def _node(cluster: Cluster) -> Iterator[None]:
    """A node that is alive for all who look at its Lease."""
    ready = {"type": "Ready", "status": "True", "reason": "Bench", "message": "As told by a bench."}
    room = {"cpu": "1000", "memory": "1000Gi", "pods": "5000", "ephemeral-storage": "1000Gi"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    # Nothing but the bench's own pods comes here.
    cluster.apply(node | {"spec": {"unschedulable": True}})
    state = {"capacity": room, "allocatable": room}

    def beat() -> None:
        now = datetime.now(UTC)
        seen = {"lastHeartbeatTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "lastTransitionTime": NOW}
        told = {"status": state | {"conditions": [ready | seen]}}
        command = ("patch", "node", NODE, "--subresource=status", "--type=merge", "-p")
        cluster.kubectl(*command, yaml.safe_dump(told))

    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(HEARTBEAT):
            beat()

    beat()
    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        cluster.kubectl("delete", "node", NODE, "--wait=false")


@contextmanager
def _addresses() -> Iterator[None]:
    """Packets to the pods of either kind come to this node: to a server, or to nowhere."""
    routes = [("local", ANSWERING, "dev", "lo"), ("blackhole", SILENT)]
    made = []
    try:
        for route in routes:
            subprocess.run(["ip", "route", "add", *route], check=True)
            made.append(route)
        yield
    finally:
        for route in made:
            subprocess.run(["ip", "route", "del", *route], check=True)


@contextmanager
def _server() -> Iterator[None]:
    """A process of its own, so that it takes nothing from who measures."""
    with subprocess.Popen([sys.executable, __file__]) as process:
        try:
            yield
        finally:
            process.terminate()


def answer() -> None:
    """Serve `GET /progress` on all addresses of this node: each answer tells of one more."""
    numbers = count()

    async def progress(_: web.Request) -> web.Response:
        told = Result(bytes=next(numbers), documents=DocumentCounts(discovered=1000))
        return web.Response(body=encode_result(told))

    app = web.Application()
    app.router.add_get("/progress", progress)
    web.run_app(app, port=PROGRESS_PORT, access_log=None, print=None)


def usable(source: Object, settings: Installation) -> dict[str, Any]:
    """The status of a Source after a check of it as it stands: so none follows."""
    configuration = resolve(Source.model_validate(source), settings, None)
    passed = {"attempts": 0, "digest": check.digest_of(configuration)}
    return status(source, "Ready", "True", "Available") | {"check": passed}


def status(
    item: Object,
    summary: str,
    value: str,
    reason: str,
    message: str = "As told by a bench.",
) -> dict[str, Any]:
    """What a status says of its object as it stands."""
    generation = item["metadata"]["generation"]
    said = {"status": value, "reason": reason, "message": message}
    seen = {"lastTransitionTime": NOW, "observedGeneration": generation}
    types = [summary, "Reconciling"] if value == "Unknown" else [summary]
    going_on = {"Reconciling": {"status": "True"}}
    conditions = [{"type": t} | said | going_on.get(t, {}) | seen for t in types]
    return {"observedGeneration": generation, "conditions": conditions}


if __name__ == "__main__":
    answer()
