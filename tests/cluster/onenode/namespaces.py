"""The process that is a cluster: start it, know it again, run commands inside, kill it."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from . import network
from .errors import TestbedError
from .paths import SOURCE, Cluster

KILL_SECONDS = 30.0
SPAWN_SECONDS = 10.0
ISOLATE = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child"]
PR_SET_PDEATHSIG = 1
SI_KERNEL = 0x80  # si_code of a signal that the terminal made, not a process
FORWARDED = {
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
}  # fmt: skip


def start(cluster: Cluster) -> int:
    """Start the cluster's first process in namespaces of its own; returns its pid.

    It begins only after its record is written: a cluster that runs can always be found.
    """
    command = [*ISOLATE, sys.executable, str(SOURCE / "testbed.py"), "first-process"]
    with (cluster.logs / "first-process.log").open("wb") as log:
        wrapper = subprocess.Popen(
            [*command, str(cluster.state)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    assert wrapper.stdin is not None
    pid = _only_child(wrapper)
    _write_record(cluster, pid)
    with wrapper.stdin as pipe:
        pipe.write(b"go\n")
    return pid


def _only_child(wrapper: "subprocess.Popen[bytes]") -> int:
    children = Path(f"/proc/{wrapper.pid}/task/{wrapper.pid}/children")
    deadline = time.monotonic() + SPAWN_SECONDS
    while time.monotonic() < deadline and wrapper.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    wrapper.kill()
    raise TestbedError("unshare started nothing; see first-process.log in the logs folder")


def _write_record(cluster: Cluster, pid: int) -> None:
    record = {"pid": pid, "start_time": _start_time(pid), "boot_id": _boot_id()}
    partial = cluster.record.with_suffix(".partial")
    partial.write_text(json.dumps(record))
    partial.rename(cluster.record)


def running_pid(cluster: Cluster) -> int | None:
    """The cluster's first process, or None when it is not up. Never another's pid."""
    try:
        record = json.loads(cluster.record.read_text())
    except (FileNotFoundError, ValueError):
        return None
    pid = int(record["pid"])
    same = record["boot_id"] == _boot_id() and record["start_time"] == _start_time(pid)
    return pid if same else None


def require_pid(cluster: Cluster) -> int:
    pid = running_pid(cluster)
    if pid is None:
        raise TestbedError(f"no cluster is up at {cluster.state}; start it with `up`")
    return pid


def kill(pid: int) -> None:
    """Kill the first process: the kernel takes everything in its namespaces with it."""
    began = _start_time(pid)
    with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + KILL_SECONDS
    while began is not None and _start_time(pid) == began:
        if time.monotonic() > deadline:
            raise TestbedError(f"process {pid} is still there {KILL_SECONDS:.0f} s after SIGKILL")
        time.sleep(0.02)


def _start_time(pid: int) -> str | None:
    """When the process started (clock ticks since boot); None if there is none, or a zombie."""
    try:
        # The name, in brackets, may itself hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def environment(cluster: Cluster, base: Mapping[str, str]) -> dict[str, str]:
    """`base` with what a command inside the cluster needs."""
    return {
        **base,
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": f"{cluster.bin}:{base.get('PATH', os.defpath)}",
        "CHROMA_SYNC_NODE_ADDRESS": network.NODE_ADDRESS,
    }


def inside(cluster: Cluster, *command: str) -> list[str]:
    """The command line that runs `command` inside the cluster from outside."""
    require_pid(cluster)
    return [sys.executable, str(SOURCE / "testbed.py"), "exec", "--", *command]


def execute(cluster: Cluster, command: list[str]) -> int:
    """Run `command` inside, with this process's folder, files and environment; its exit code.

    Signals sent to this process go on to the command, and its death by a signal N is 128 + N.
    A Ctrl-C reaches both from the terminal already, so that one is not sent twice.
    """
    pid = require_pid(cluster)
    libc = ctypes.CDLL(None, use_errno=True)
    folder, new_environment = Path.cwd(), environment(cluster, os.environ)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
    _enter(libc, pid)
    child = os.fork()
    if child == 0:
        _become(libc, command, folder, new_environment, before)
    while True:
        received = signal.sigwaitinfo(FORWARDED | {signal.SIGCHLD})
        if received.si_signo != signal.SIGCHLD:
            if received.si_code != SI_KERNEL:
                os.kill(child, received.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _enter(libc: ctypes.CDLL, pid: int) -> None:
    handles = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("pid", "net", "mnt")]
    for handle in handles:
        if libc.setns(handle, 0):
            raise TestbedError(f"setns: {os.strerror(ctypes.get_errno())}; this needs root")
        os.close(handle)


def _become(
    libc: ctypes.CDLL,
    command: list[str],
    folder: Path,
    new_environment: dict[str, str],
    mask: set[signal.Signals] | set[int],
) -> None:
    """In the child: never returns."""
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(folder)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(command[0], command, new_environment)  # noqa: S606
    except OSError as error:
        os.write(2, f"testbed exec: {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)
