"""Bring a cluster up, take it down, say how it is."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from . import cgroups, components, namespaces, pki, toolchain
from .errors import TestbedError
from .paths import Cluster, locked

UP_SECONDS = 150.0
TAIL_LINES = 15


def up(cluster: Cluster) -> None:
    """Start the cluster, or join one that is already starting, and wait until it is usable."""
    reason = toolchain.why_not()
    if reason:
        raise TestbedError(reason)
    with locked(cluster.cgroup):
        if namespaces.running_pid(cluster) is None:
            toolchain.prepare()
            _clean(cluster)
            _write_state(cluster)
            cgroups.make(cluster.cgroup)
            namespaces.start(cluster)
        _wait_until_ready(cluster)


def down(cluster: Cluster) -> None:
    """Kill the cluster and remove all that it left. Nothing to do is fine."""
    with locked(cluster.cgroup):
        pid = namespaces.running_pid(cluster)
        if pid is not None:
            namespaces.kill(pid)
        _clean(cluster)


def status(cluster: Cluster) -> tuple[str, bool]:
    """One screen of text, and whether all is well."""
    pid = namespaces.running_pid(cluster)
    lines = [f"state       {cluster.state}"]
    if pid is None:
        left = "; a crash left its state, which `up` or `down` removes"
        lines.insert(0, "cluster     down" + (left if cluster.record.exists() else ""))
        return "\n".join([*lines, *_failure(cluster)]), False
    phase = _phase(cluster)
    parts = phase.get("components", {})
    ended = {name: code for name, code in parts.items() if code is not None}
    well = phase.get("phase") == "ready" and not ended
    lines.insert(0, f"cluster     {phase.get('phase', 'starting')}")
    running = [name for name in parts if name not in ended]
    lines += [
        f"node        {_node(cluster)}",
        f"process     {pid} (nsenter -t {pid} -n -m -p)",
        f"kubeconfig  {cluster.kubeconfig}",
        f"running     {' '.join(running)}",
        f"free disk   {shutil.disk_usage(cluster.state).free / 2**30:.1f} GiB",
    ]
    for name, code in ended.items():
        lines += [f"ENDED       {name} with {code}; the end of its log:", *_tail(cluster, name)]
    return "\n".join(lines), well


def _write_state(cluster: Cluster) -> None:
    cluster.state.mkdir(mode=0o700)
    # The mark by which `down` knows that this folder is its own to remove.
    cluster.record.write_text("{}")
    cluster.logs.mkdir()
    pki.make(cluster.state / "pki")
    shutil.copy(cluster.state / "pki" / "admin.kubeconfig", cluster.kubeconfig)
    cluster.kubeconfig.chmod(0o600)
    images = toolchain.system_images()
    (cluster.state / "system-images.json").write_text(json.dumps(images))
    components.write_configs(
        cluster.state, cluster.cgroup, toolchain.cni_plugins(), images["pause"]
    )
    toolchain.link_programs(cluster.bin)


def _clean(cluster: Cluster) -> None:
    """Remove what a cluster that is not running left behind."""
    cgroups.remove(cluster.cgroup)
    if not cluster.state.exists():
        return
    if not cluster.record.exists() and any(cluster.state.iterdir()):
        raise TestbedError(
            f"{cluster.state} is not empty and no cluster's state folder: nothing was removed;"
            " choose another CHROMA_SYNC_CLUSTER_DIR"
        )
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mounted = Path(line.split()[4])
        if mounted.is_relative_to(cluster.state):
            raise TestbedError(f"{mounted} is still mounted: unmount it; nothing was removed")
    shutil.rmtree(cluster.state)


def _wait_until_ready(cluster: Cluster) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        phase = _phase(cluster).get("phase")
        if phase == "ready":
            return
        pid = namespaces.running_pid(cluster)
        if phase == "failed" and pid is not None:
            # It has said why, and is ending: nothing of it runs any more when this returns.
            namespaces.kill(pid)
        if phase == "failed" or pid is None:
            details = "\n".join(_failure(cluster))
            raise TestbedError(f"the cluster did not start; its logs: {cluster.logs}\n{details}")
        time.sleep(0.1)
    raise TestbedError(f"the cluster is not ready after {UP_SECONDS:.0f} s; see `status`")


def _failure(cluster: Cluster) -> list[str]:
    phase = _phase(cluster)
    if phase.get("phase") != "failed":
        return _tail(cluster, "first-process")
    lines = [f"failed      {phase['message']}"]
    for name, code in phase["components"].items():
        if code is not None:
            lines += [f"ENDED       {name} with {code}; the end of its log:", *_tail(cluster, name)]
    return lines


def _phase(cluster: Cluster) -> dict[str, Any]:
    try:
        phase: dict[str, Any] = json.loads(cluster.phase.read_text())
    except FileNotFoundError:
        return {}
    return phase


def _tail(cluster: Cluster, name: str) -> list[str]:
    try:
        with (cluster.logs / f"{name}.log").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 16384))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    except FileNotFoundError:
        return []
    return [f"  {line[:300]}" for line in lines]


def _node(cluster: Cluster) -> str:
    command = ["kubectl", "get", "nodes", "--no-headers", "--request-timeout=5s"]
    done = subprocess.run(
        namespaces.inside(cluster, *command), capture_output=True, text=True, timeout=30
    )
    answer = done.stdout if done.returncode == 0 else done.stderr
    return " ".join(answer.split()) or "none"
