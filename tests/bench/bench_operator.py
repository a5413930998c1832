"""The operator on the test cluster: from apply to Job, and memory with many objects."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from cluster.kit import installation, servers  # noqa: E402
from cluster.kit.cluster import Cluster, Object, condition, eventually, kubectl_proxy  # noqa: E402
from cluster.kit.world import World  # noqa: E402

SOURCES, ROUNDS = 10, 10
MANY = 1_000
NAMESPACE = "bench"
DEPLOYMENT = f"deployment/{installation.SERVICE_ACCOUNT}"
READ_STATUS = "print(open('/proc/1/status').read())"


def main() -> None:
    """Print the table."""
    with kubectl_proxy() as proxy, Cluster(proxy) as cluster:
        servers.start(cluster, os.environ["FAKES_IMAGE"])
        images = os.environ["OPERATOR_IMAGE"], os.environ["WORKER_IMAGE"]
        installation.install(cluster, *images)
        world = World(cluster)
        try:
            cluster.apply(*installation.namespace(NAMESPACE))
            delays = sorted(apply_to_job(world))
            resident, peak = memory(world)
        finally:
            cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=300s")
            world.close()
            installation.uninstall(cluster)
            servers.stop(cluster)
    print("\n| operator | value |\n| --- | --- |")
    print(f"| apply of an Invocation to its Job, p50 of {len(delays)} | {at(delays, 0.5):.3f} s |")
    print(f"| p99 (aim below 1 s) | {at(delays, 0.99):.3f} s |")
    what = f"{MANY} Sources and {MANY} finished Invocations"
    print(f"| memory with {what} | {resident} MiB |")
    print(f"| its peak, while it lists them | {peak} MiB |")


def apply_to_job(world: World) -> list[float]:
    """Seconds from the API server's taking an Invocation to its Job's being seen."""
    names = [f"source-{i}" for i in range(SOURCES)]
    world.cluster.apply(*(world.source(NAMESPACE, name) for name in names))
    for name in names:
        world.ready(NAMESPACE, name, seconds=300)
    delays = []
    for round_ in range(ROUNDS):
        for name in names:
            run = f"run-{name}-{round_}"
            item = world.invocation(NAMESPACE, f"bench-{run}", name=run, source=name)
            world.cluster.create("Invocation", NAMESPACE, item)
            start = time.monotonic()
            uid = (world.cluster.get("Invocation", NAMESPACE, run) or {})["metadata"]["uid"]
            find = partial(
                world.cluster.list, "Job", NAMESPACE, f"chromasync.dev/invocation-uid={uid}"
            )
            eventually(f"the Job of {run}", find, 60, pause=0.01)
            delays.append(time.monotonic() - start)
            world.cluster.patch("Invocation", NAMESPACE, run, {"spec": {"cancel": True}})
            world.ended(NAMESPACE, run, seconds=60)
    return delays


def memory(world: World) -> tuple[int, int]:
    """MiB that the operator holds, and its peak, after it has seen many objects."""
    cluster = world.cluster
    scale(cluster, 0)
    for i in range(MANY):
        source = world.source(NAMESPACE, f"many-{i:04}")
        run = world.invocation(
            NAMESPACE, f"many-{i:04}", name=f"many-{i:04}", source=f"many-{i:04}"
        )
        made = cluster.create("Source", NAMESPACE, source)
        cluster.patch_status("Source", NAMESPACE, f"many-{i:04}", usable(made))
        made = cluster.create("Invocation", NAMESPACE, run)
        cluster.patch_status("Invocation", NAMESPACE, f"many-{i:04}", complete(made))
    scale(cluster, 1)
    time.sleep(20)
    last = cluster.get("Source", NAMESPACE, f"many-{MANY - 1:04}")
    assert condition(last, "Ready")["status"] == "True"
    python = ("-n", installation.NAMESPACE, "exec", DEPLOYMENT, "--", "python", "-c", READ_STATUS)
    lines = dict(
        line.split(":", 1) for line in cluster.kubectl(*python).splitlines() if ":" in line
    )
    return (
        int(lines["VmRSS"].split()[0]) // 1024,
        int(lines["VmHWM"].split()[0]) // 1024,
    )


def scale(cluster: Cluster, replicas: int) -> None:
    namespace = ("-n", installation.NAMESPACE)
    cluster.kubectl(*namespace, "scale", DEPLOYMENT, f"--replicas={replicas}")
    cluster.kubectl(*namespace, "rollout", "status", DEPLOYMENT, "--timeout=120s")


def usable(item: Object) -> Object:
    return _status(item, "Ready", "Available")


def complete(item: Object) -> Object:
    counts = {"documents": {"discovered": 10, "indexed": 10}, "chunks": {"written": 100}}
    times = {"startTime": NOW, "completionTime": NOW, "updatedAt": NOW}
    return _status(item, "Succeeded", "Complete") | counts | times


NOW = "2026-01-01T00:00:00Z"


def _status(item: Object, summary: str, reason: str) -> dict[str, Any]:
    generation = item["metadata"]["generation"]
    said = {"type": summary, "status": "True", "reason": reason, "message": "As told by a bench."}
    seen = {"lastTransitionTime": NOW, "observedGeneration": generation}
    return {"observedGeneration": generation, "conditions": [said | seen], **_check(summary)}


def _check(summary: str) -> dict[str, Any]:
    return {"check": {"attempts": 0}} if summary == "Ready" else {}


def at(ordered: list[float], share: float) -> float:
    """A percentile by nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
