"""The cluster's first process (PID 1 inside): shuts the doors, starts everything, reaps.

It restarts nothing. A component that dies is a fact that a test should see.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import components, image_store, network
from .errors import TestbedError
from .paths import SOURCE, Cluster, cache_root

BOOT_SECONDS = 120.0
POLL_SECONDS = 0.1


def main(cluster: Cluster) -> int:
    """Boot the cluster and look after it until killed. Waits for the starter's word first."""
    if sys.stdin.readline() != "go\n":
        return 1  # the starter died before it wrote down who we are
    supervisor = _Supervisor(cluster)
    try:
        isolate(cluster.state)
        boot(supervisor)
    except (TestbedError, OSError, subprocess.SubprocessError) as error:
        supervisor.report("failed", str(error))
        return 1
    supervisor.report("ready")
    supervisor.reap_for_ever()
    return 0


def isolate(state: Path) -> None:
    """Private mounts for what Kubernetes writes to fixed places, and a network of loopback only."""
    _run("mount", "--make-rprivate", "/")
    resolv_conf = Path("/etc/resolv.conf").resolve()
    for folder in ("/run", "/var/log"):
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "testbed", folder)
    upper, work = Path("/run/testbed/var-lib"), Path("/run/testbed/work")
    upper.mkdir(parents=True)
    work.mkdir()
    layers = f"lowerdir=/var/lib,upperdir={upper},workdir={work}"
    _run("mount", "-t", "overlay", "-o", layers, "testbed", "/var/lib")
    if not resolv_conf.exists():  # it pointed into /run
        resolv_conf.parent.mkdir(parents=True, exist_ok=True)
        resolv_conf.touch()
    _run("mount", "--bind", str(state / "node-resolv.conf"), str(resolv_conf))

    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{network.NODE_ADDRESS}/32", "dev", "lo")
    # Without a route a connection to a Service fails before iptables can turn it to a pod.
    _run("ip", "route", "add", network.SERVICE_RANGE, "dev", "lo", "src", network.NODE_ADDRESS)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def boot(supervisor: "_Supervisor") -> None:
    """Start every component in the order of their needs and wait until the cluster is usable."""
    cluster = supervisor.cluster
    supervisor.start(components.etcd(cluster.state))
    supervisor.start(components.containerd(cluster.state))
    supervisor.start(components.apiserver(cluster.state))
    socket = Path(network.CONTAINERD_SOCKET)
    supervisor.wait_until("containerd listens", socket.exists)
    for reference in json.loads((cluster.state / "system-images.json").read_text()).values():
        supervisor.run_with_input(
            ["ctr", "-n", "k8s.io", "images", "import", "-"],
            partial(image_store.write_archive, reference=reference, already_there=set()),
        )
    api = _Api(cluster.state / "pki")
    supervisor.wait_until("the API server is ready", lambda: api.get("/readyz") == "ok")
    for command in components.after_apiserver(cluster.state):
        supervisor.start(command)
    supervisor.run_with_input(
        ["kubectl", "apply", "-f", "-"], lambda pipe: pipe.write(_coredns_manifest(cluster))
    )
    supervisor.wait_until("the node is Ready", lambda: _node_ready(api))
    supervisor.wait_until("CoreDNS is available", lambda: _dns_available(api))
    supervisor.wait_until(
        "the default service account exists",
        lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None,
    )


def _coredns_manifest(cluster: Cluster) -> bytes:
    image = json.loads((cluster.state / "system-images.json").read_text())["coredns"]
    text = (SOURCE / "onenode" / "manifests" / "coredns.yaml").read_text()
    filled = text.replace("COREDNS_IMAGE", image)
    return filled.replace("DNS_ADDRESS", network.DNS_SERVICE_ADDRESS).encode()


def _node_ready(api: "_Api") -> bool:
    node = api.get(f"/api/v1/nodes/{network.NODE_NAME}")
    conditions = node["status"].get("conditions", []) if node else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _dns_available(api: "_Api") -> bool:
    deployment = api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    return bool(deployment and deployment["status"].get("availableReplicas"))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise TestbedError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


class _Api:
    """GETs against the API server as its administrator."""

    def __init__(self, pki: Path) -> None:
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def get(self, path: str) -> Any:
        """The object at `path`, or its text; None while there is no such thing or no answer."""
        try:
            url = network.API_URL + path
            with urllib.request.urlopen(url, timeout=5, context=self._context) as answer:  # noqa: S310
                body = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None
        return json.loads(body) if body.startswith("{") else body


class _Supervisor:
    """Starts components, knows which have ended, and writes both to the phase file."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._deadline = time.monotonic() + BOOT_SECONDS
        self._names: dict[int, str] = {}
        self._ended: dict[str, int] = {}
        self._phase = "starting"
        self._environment = {
            **os.environ,
            "PATH": f"{cluster.bin}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
            "KUBECONFIG": str(cluster.kubeconfig),
            "CHROMA_SYNC_CACHE": str(cache_root()),
        }

    def start(self, command: list[str]) -> None:
        """Start a component; its name is the first word, its output goes to its log."""
        name = command[0]
        path = shutil.which(name, path=self._environment["PATH"])
        if path is None:
            raise TestbedError(f"{name} is not installed; run `prepare`")
        with (self.cluster.logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                executable=path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.cluster.state,
                env=self._environment,
            )
        self._names[process.pid] = name
        process.returncode = 0  # it is reaped here, not by its Popen object
        self.report("starting")

    def run_with_input(self, command: list[str], write: Callable[[Any], object]) -> None:
        """Run a short command to its end, with what `write` puts into its standard input."""
        path = shutil.which(command[0], path=self._environment["PATH"]) or command[0]
        with (self.cluster.logs / "boot.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                executable=path,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
            assert process.stdin is not None
            with process.stdin as pipe:
                write(pipe)
            code = process.wait(timeout=max(1.0, self._deadline - time.monotonic()))
        if code:
            raise TestbedError(f"{' '.join(command)} ended with {code}; see boot.log")
        self._log(" ".join(command))

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        while not condition():
            self._reap_ended()
            if self._ended:
                raise TestbedError(f"{next(iter(self._ended))} ended before {what}")
            if time.monotonic() > self._deadline:
                raise TestbedError(f"gave up after {BOOT_SECONDS:.0f} s, waiting until {what}")
            time.sleep(POLL_SECONDS)
        self._log(what)

    def _log(self, what: str) -> None:
        """One line on how far the boot is, to standard output, which is the first log."""
        seconds = BOOT_SECONDS - (self._deadline - time.monotonic())
        print(f"{seconds:6.1f} s  {what}", flush=True)

    def report(self, phase: str, message: str = "") -> None:
        self._phase = phase
        state = {
            "phase": phase,
            "message": message,
            "components": {name: self._ended.get(name) for name in self._names.values()},
        }
        unfinished = self.cluster.phase.with_suffix(".partial")
        unfinished.write_text(json.dumps(state))
        unfinished.rename(self.cluster.phase)

    def reap_for_ever(self) -> None:
        while True:
            self._note(*os.wait())

    def _reap_ended(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._note(pid, status)

    def _note(self, pid: int, status: int) -> None:
        name = self._names.get(pid)
        if name is not None:  # else an orphan that was left to PID 1
            self._ended[name] = os.waitstatus_to_exitcode(status)
            self.report(self._phase)
