"""The operator on the test cluster: from apply to Job, what many runs cost, and its memory."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from bench import many_runs  # noqa: E402
from bench.many_runs import NOW  # noqa: E402
from cluster.kit import installation, servers  # noqa: E402
from cluster.kit.cluster import Cluster, Object, condition, eventually, kubectl_proxy  # noqa: E402
from cluster.kit.world import World  # noqa: E402

SOURCES, ROUNDS = 10, 10
MANY = 1_000
SILENT = ANSWERING = 600  # runs that go; what their pods do when they are asked how far they are
SETTLE, WINDOW = 90, 60  # seconds
WATCH = 900  # seconds that all rounds may take
NAMESPACES = ("bench", "bench-busy", "bench-many")
READ_PROCESS = (
    "import os; print(open('/proc/1/status').read()); "
    "used = open('/proc/1/stat').read().rpartition(')')[2].split()[11:13]; "
    "print('cpu:', sum(map(int, used)) / os.sysconf('SC_CLK_TCK'))"
)


def main() -> None:
    """Print the table."""
    with kubectl_proxy() as proxy, Cluster(proxy) as cluster:
        servers.start(cluster, os.environ["FAKES_IMAGE"])
        images = os.environ["OPERATOR_IMAGE"], os.environ["WORKER_IMAGE"]
        installation.install(cluster, *images)
        world = World(cluster)
        try:
            for namespace in NAMESPACES:
                cluster.apply(*installation.namespace(namespace))
            quiet = sorted(apply_to_job(world, "bench"))
            with many_runs.going(world, "bench-many", SILENT, ANSWERING):
                load = steady(world)
                busy = sorted(apply_to_job(world, "bench-busy"))
            cluster.kubectl("delete", "namespace", "bench-many", "--wait=true", "--timeout=300s")
            resident, peak = memory(world)
        finally:
            gone = ("--ignore-not-found", "--wait=true", "--timeout=300s")
            cluster.kubectl("delete", "namespace", *NAMESPACES, *gone)
            world.close()
            installation.uninstall(cluster)
            servers.stop(cluster)
    print("\n| operator | value |\n| --- | --- |")
    print(f"| apply of an Invocation to its Job, p50 of {len(quiet)} | {at(quiet, 0.5):.3f} s |")
    print(f"| p99 (aim below 1 s) | {at(quiet, 0.99):.3f} s |")
    runs = f"{SILENT} silent and {ANSWERING} answering runs"
    print(f"| the same beside {runs}, p50 of {len(busy)} | {at(busy, 0.5):.3f} s |")
    print(f"| p99 (aim below 0.3 s) | {at(busy, 0.99):.3f} s |")
    print(f"| API requests a second for each of them (aim below 0.3) | {load.requests:.3f} |")
    print(f"| CPU for all of them, of one core | {load.cpu:.0%} |")
    print(f"| memory with all of them | {load.resident} MiB |")
    what = f"{MANY} Sources and {MANY} finished Invocations"
    print(f"| memory with {what} | {resident} MiB |")
    print(f"| its peak, while it lists them | {peak} MiB |")


def apply_to_job(world: World, namespace: str) -> list[float]:
    """Seconds from the API server's taking an Invocation to the news of its Job. They come by a
    watch: who asks again and again slows down what it measures."""
    names = [f"source-{i}" for i in range(SOURCES)]
    world.cluster.apply(*(world.source(namespace, name) for name in names))
    for name in names:
        world.ready(namespace, name, seconds=300)
    delays = []
    seen_at = _news_of_jobs(world.cluster, namespace)
    for round_ in range(ROUNDS):
        for name in names:
            run = f"run-{name}-{round_}"
            item = world.invocation(namespace, f"bench-{run}", name=run, source=name)
            made = world.cluster.create("Invocation", namespace, item)
            start = time.monotonic()
            at = partial(seen_at.get, made["metadata"]["uid"])
            delays.append(eventually(f"the Job of {run}", at, 60) - start)
            world.cluster.patch("Invocation", namespace, run, {"spec": {"cancel": True}})
            world.ended(namespace, run, seconds=60)
    return delays


def _news_of_jobs(cluster: Cluster, namespace: str) -> dict[str, float]:
    """When the first news of each Job came, by the uid of its Invocation; it fills up by itself."""
    seen_at: dict[str, float] = {}

    def watch() -> None:
        with suppress(httpx.HTTPError):  # the end of the bench closes it
            for job in cluster.watch("Job", namespace, WATCH):
                uid = job["metadata"]["labels"].get("chromasync.dev/invocation-uid", "")
                seen_at.setdefault(uid, time.monotonic())

    threading.Thread(target=watch, daemon=True).start()
    return seen_at


def memory(world: World) -> tuple[int, int]:
    """MiB that the operator holds, and its peak, after it has seen many objects."""
    cluster = world.cluster
    settings = many_runs.installed(cluster)
    installation.scale(cluster, 0)
    for i in range(MANY):
        source = world.source("bench", f"many-{i:04}")
        run = world.invocation("bench", f"many-{i:04}", name=f"many-{i:04}", source=f"many-{i:04}")
        made = cluster.create("Source", "bench", source)
        cluster.patch_status("Source", "bench", f"many-{i:04}", many_runs.usable(made, settings))
        made = cluster.create("Invocation", "bench", run)
        cluster.patch_status("Invocation", "bench", f"many-{i:04}", complete(made))
    installation.scale(cluster, 1)
    time.sleep(20)
    last = cluster.get("Source", "bench", f"many-{MANY - 1:04}")
    assert condition(last, "Ready")["status"] == "True"
    lines = operator_process(cluster)
    return int(lines["VmRSS"].split()[0]) // 1024, int(lines["VmHWM"].split()[0]) // 1024


def operator_process(cluster: Cluster) -> dict[str, str]:
    """What Linux says of the operator's process: the lines of its status, and as `cpu` the seconds
    that it has used."""
    python = ("exec", installation.DEPLOYMENT, "--", "python", "-c", READ_PROCESS)
    lines = cluster.kubectl("-n", installation.NAMESPACE, *python).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class Load(NamedTuple):
    """What many runs cost while nothing begins or ends. `requests` is of one run, in a second;
    `cpu` a share of one core; `resident` in MiB."""

    requests: float
    cpu: float
    resident: int


def steady(world: World) -> Load:
    """Measure for a while, after the operator has seen all runs."""
    time.sleep(SETTLE)
    before, cpu = requests(world.cluster), float(operator_process(world.cluster)["cpu"])
    start = time.monotonic()
    time.sleep(WINDOW)
    seconds = time.monotonic() - start
    made, process = requests(world.cluster) - before, operator_process(world.cluster)
    return Load(
        made / seconds / (SILENT + ANSWERING),
        (float(process["cpu"]) - cpu) / seconds,
        int(process["VmRSS"].split()[0]) // 1024,
    )


def requests(cluster: Cluster) -> int:
    """How many requests the API server has had that only the operator makes while no run begins or
    ends: for Sources and Invocations, and lists of pods."""
    counted = 0
    for line in cluster.kubectl("get", "--raw", "/metrics").splitlines():
        if not line.startswith("apiserver_request_total{") or 'verb="WATCH"' in line:
            continue
        if 'group="chromasync.dev"' in line or (
            'resource="pods"' in line and 'verb="LIST"' in line
        ):
            counted += int(float(line.rpartition(" ")[2]))
    return counted


def complete(item: Object) -> Object:
    counts = {"documents": {"discovered": 10, "indexed": 10}, "chunks": {"written": 100}}
    times = {"startTime": NOW, "completionTime": NOW, "updatedAt": NOW}
    return many_runs.status(item, "Succeeded", "True", "Complete") | counts | times


def at(ordered: list[float], share: float) -> float:
    """A percentile by nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
