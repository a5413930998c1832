"""Up, down, crash: what happens to the machine around a cluster. Runs on the machine itself."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.selftest.testbed_command import command, environment, require_machine, run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The state folder of a cluster of one's own; it is taken down at the end."""
    require_machine()
    folder = tmp_path / "own cluster"
    yield folder
    run("down", state=folder)


def machine() -> dict[str, set[str]]:
    """What a leak would show in: interfaces, mounts, packet filter rules."""

    def lines(*words: str) -> set[str]:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        return set(done.stdout.splitlines())

    return {
        "interfaces": {path.name for path in Path("/sys/class/net").iterdir()},
        "mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "rules": {rule for rule in lines("iptables-save") if rule.startswith("-A")},
        "routes": lines("ip", "route"),
    }


def processes_of(state: Path) -> dict[int, str]:
    """Pid and command line of what names the state folder, wherever its namespaces are."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if str(state) in text:
            found[int(path.parent.name)] = text
    return found


def cgroups_of(state: Path) -> list[Path]:
    name = "chroma-sync-" + hashlib.sha256(str(state).encode()).hexdigest()[:8]
    return list(Path("/sys/fs/cgroup").glob(f"**/{name}"))


def first_process(state: Path) -> int:
    return int(json.loads((state / "cluster.json").read_text())["pid"])


def assert_nothing_left(state: Path) -> None:
    assert not state.exists()
    assert processes_of(state) == {}
    assert cgroups_of(state) == []


def test_the_machine_and_another_cluster_see_nothing_and_down_leaves_nothing(state: Path) -> None:
    run("up")  # the default cluster, which stays up
    before = machine()
    run("up", state=state)
    pid = first_process(state)
    image = json.loads((state / "system-images.json").read_text())["pause"]
    pod = ["kubectl", "run", "idle", f"--image={image}", "--image-pull-policy=Never"]
    run("exec", "--", *pod, state=state)
    run("exec", "--", "kubectl", "wait", "pod/idle", "--for=condition=Ready", state=state)
    assert run("exec", "--", "kubectl", "get", "pod/idle", check=False).returncode == 1
    assert {name: seen - before[name] for name, seen in machine().items()} == {
        "interfaces": set(),
        "mounts": set(),
        "rules": set(),
        "routes": set(),
    }
    assert cgroups_of(state), "its pods have cgroups while it runs"

    run("up", state=state)
    assert first_process(state) == pid, "a second up joins the cluster that runs"
    assert "ready" in run("status", state=state).stdout

    run("down", state=state)
    assert_nothing_left(state)
    run("down", state=state)
    assert "testbed Ready" in run("status").stdout, "the other cluster lives on"


def test_after_a_crash_of_the_cluster_up_and_down_work(state: Path) -> None:
    run("up", state=state)
    crashed = first_process(state)
    crash(state, crashed, crashed)
    run("up", state=state)
    pid = first_process(state)
    assert pid != crashed

    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    crash(state, parent, pid)
    run("down", state=state)
    assert_nothing_left(state)


def crash(state: Path, victim: int, first: int) -> None:
    """Kill `victim`; the cluster's first process goes too, and status says that it crashed."""
    os.kill(victim, signal.SIGKILL)
    wait_until_gone(first)
    done = run("status", state=state, check=False)
    assert (done.returncode, done.stdout.splitlines()[0].split()[:2]) == (1, ["cluster", "down;"])


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


def test_an_up_that_is_killed_is_joined_by_the_next(state: Path) -> None:
    starting = subprocess.Popen(command("up"), env=environment(state))
    deadline = time.monotonic() + 60
    while not (state / "phase.json").exists():
        assert time.monotonic() < deadline, "up did not begin"
        time.sleep(0.05)
    pid = first_process(state)
    starting.kill()
    starting.wait(timeout=30)
    run("up", state=state)
    assert first_process(state) == pid


def test_a_component_that_dies_in_the_start_is_named_with_its_log(state: Path) -> None:
    starting = subprocess.Popen(
        command("up"), stderr=subprocess.PIPE, text=True, env=environment(state)
    )
    deadline = time.monotonic() + 60
    while not (victims := [p for p, line in processes_of(state).items() if "kube-api" in line]):
        assert time.monotonic() < deadline, "the API server was not started"
        time.sleep(0.05)
    os.kill(victims[0], signal.SIGKILL)
    _, message = starting.communicate(timeout=120)
    assert starting.returncode == 1
    assert "failed      kube-apiserver ended before" in message
    assert "ENDED       kube-apiserver with -9; the end of its log:" in message
    assert list(processes_of(state)) == []
    assert "failed      kube-apiserver" in run("status", state=state, check=False).stdout


def test_a_dead_component_stays_dead_and_status_names_it(state: Path) -> None:
    run("up", state=state)
    run("exec", "--", "pkill", "-KILL", "-x", "kube-scheduler", state=state)
    deadline = time.monotonic() + 30
    while (done := run("status", state=state, check=False)).returncode == 0:
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.2)
    assert "ENDED       kube-scheduler with -9; the end of its log:" in done.stdout
    assert "kube-scheduler" not in done.stdout.partition("running")[2].splitlines()[0]


def test_a_folder_of_somebody_else_is_left_alone(state: Path) -> None:
    state.mkdir()
    (state / "letter.txt").write_text("dear")
    for verb in ("up", "down"):
        done = run(verb, state=state, check=False)
        assert done.returncode == 1
        assert "no cluster's state folder: nothing was removed" in done.stderr
    assert (state / "letter.txt").read_text() == "dear"
    (state / "letter.txt").unlink()


def test_without_a_cluster_exec_says_what_to_do(state: Path) -> None:
    done = run("exec", "--", "true", state=state, check=False)
    assert done.returncode == 1
    assert "start it with `up`" in done.stderr


def test_a_state_folder_that_the_cluster_would_hide_is_refused() -> None:
    require_machine()
    done = run("up", state=Path("/run/chroma-sync-test"), check=False)
    assert done.returncode == 1
    assert "CHROMA_SYNC_CLUSTER_DIR: /run lies under /run" in done.stderr
