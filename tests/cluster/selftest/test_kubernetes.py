"""The cluster is a real one: what the product's tests lean on works, in real pods."""

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.selftest.testbed_command import SCRIPT, command, require_machine, run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
SERVER = """
use IO::Socket::INET;
$SIG{PIPE} = "IGNORE"; # a probe hangs up at once
my $listener = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die $!;
while (my $client = $listener->accept) { print $client "served\\n"; close $client; }
"""


@pytest.fixture(scope="module")
def image() -> str:
    """The cluster is up (and stays so), and holds the image whose reference this is."""
    require_machine()
    run("up")
    folder = SCRIPT.parent / "selftest"
    build = ["image", "build", "selftest", "--context", str(folder)]
    reference = run(*build, "--file", str(folder / "Dockerfile")).stdout.split()[-1]
    run("image", "load", reference)
    return reference


@pytest.fixture(scope="module")
def namespace(image: str) -> Iterator[str]:
    name = f"selftest-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def kubectl(*arguments: str, text: str | None = None) -> str:
    return run("exec", "--", "kubectl", *arguments, text=text).stdout


def apply(namespace: str, *objects: dict[str, Any]) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", text="\n---\n".join(map(json.dumps, objects)))


def get(namespace: str, *what: str) -> Any:
    return json.loads(kubectl("get", "-n", namespace, "-o", "json", *what))


def wait_for(namespace: str, what: str, condition: str) -> None:
    kubectl("wait", "-n", namespace, what, f"--for=condition={condition}", "--timeout=60s")


def pod_spec(image: str, script: str, **container: Any) -> dict[str, Any]:
    main = {"name": "main", "image": image, "command": ["bash", "-c", script], **container}
    return {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [main]}


def job(name: str, spec: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 3, **settings, "template": {"spec": spec}},
    }


def pod(name: str, spec: dict[str, Any], **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def terminated(namespace: str, name: str) -> Any:
    """How the pod's container ended, waiting for it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        statuses = get(namespace, "pod", name)["status"].get("containerStatuses", [])
        if statuses and "terminated" in statuses[0]["state"]:
            return statuses[0]["state"]["terminated"]
        time.sleep(0.5)
    return pytest.fail(f"pod {name} did not end: {get(namespace, 'pod', name)['status']}")


def test_a_job_succeeds_and_its_log_and_termination_message_are_read(
    image: str, namespace: str
) -> None:
    script = "echo out; echo err >&2; echo -n result > /dev/termination-log"
    apply(namespace, job("plain", pod_spec(image, script)))
    wait_for(namespace, "job/plain", "Complete")
    assert sorted(kubectl("logs", "-n", namespace, "job/plain").split()) == ["err", "out"]
    pods = get(namespace, "pods", "-l", "job-name=plain")["items"]
    state = pods[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (len(pods), state["message"], state["exitCode"]) == (1, "result", 0)


def test_an_indexed_job_gives_each_pod_its_index(image: str, namespace: str) -> None:
    spec = pod_spec(image, "echo index $JOB_COMPLETION_INDEX")
    settings = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}
    apply(namespace, job("indexed", spec, **settings))
    wait_for(namespace, "job/indexed", "Complete")
    logs = kubectl("logs", "-n", namespace, "-l", "job-name=indexed")
    assert sorted(logs.splitlines()) == ["index 0", "index 1", "index 2"]
    assert get(namespace, "job", "indexed")["status"]["completedIndexes"] == "0-2"


def test_an_exit_code_in_the_pod_failure_policy_ends_the_job_at_once(
    image: str, namespace: str
) -> None:
    on_exit = {"containerName": "main", "operator": "In", "values": [64]}
    policy = {"rules": [{"action": "FailJob", "onExitCodes": on_exit}]}
    apply(namespace, job("policy", pod_spec(image, "exit 64"), podFailurePolicy=policy))
    wait_for(namespace, "job/policy", "Failed")
    status = get(namespace, "job", "policy")["status"]
    reasons = {c["type"]: c["reason"] for c in status["conditions"]}
    assert reasons["Failed"] == "PodFailurePolicy"
    assert status["failed"] == 1


def test_too_little_memory_is_oom_killed_with_137(image: str, namespace: str) -> None:
    limits = {"resources": {"limits": {"memory": "32Mi"}}}
    apply(namespace, pod("greedy", pod_spec(image, "exec tail /dev/zero", **limits)))
    state = terminated(namespace, "greedy")
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_a_restricted_container_is_what_it_says(image: str, namespace: str) -> None:
    script = (
        "id -u; grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status;"
        " touch /forbidden 2>/dev/null || echo read-only; touch /scratch/fine && echo scratch"
    )
    mounts = [{"name": "scratch", "mountPath": "/scratch"}]
    spec = pod_spec(image, script, securityContext=RESTRICTED, volumeMounts=mounts)
    spec["volumes"] = [{"name": "scratch", "emptyDir": {}}]
    apply(namespace, pod("restricted", spec))
    assert terminated(namespace, "restricted")["exitCode"] == 0
    assert kubectl("logs", "-n", namespace, "restricted").split() == [
        "65534", "CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2", "read-only", "scratch",
    ]  # fmt: skip


def test_a_service_is_reached_by_name_from_a_pod_and_from_exec(image: str, namespace: str) -> None:
    spec = pod_spec(image, f"exec perl -e '{SERVER}'", readinessProbe={"tcpSocket": {"port": 8080}})
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "greeter"},
        "spec": {"selector": {"app": "greeter"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    apply(namespace, pod("greeter", spec, app="greeter"), service)
    wait_for(namespace, "pod/greeter", "Ready")

    ask = "exec 3<>/dev/tcp/{}/80 && cat <&3"
    apply(namespace, job("asker", pod_spec(image, ask.format("greeter"))))
    wait_for(namespace, "job/asker", "Complete")
    assert kubectl("logs", "-n", namespace, "job/asker") == "served\n"

    full = f"greeter.{namespace}.svc.cluster.local"
    assert run("exec", "--", "bash", "-c", ask.format(full)).stdout == "served\n"
    # kubectl exec works, and a pod reaches itself through its own Service (hairpin).
    inner = kubectl("exec", "-n", namespace, "greeter", "--", "bash", "-c", ask.format(full))
    assert inner == "served\n"


def test_an_unknown_name_is_refused_at_once(image: str, namespace: str) -> None:
    # One stream: what comes by two may stand in the log in any order.
    script = "exec 2>&1; getent hosts kubernetes.default.svc; time getent hosts nowhere.example"
    script += "; echo $?"
    apply(namespace, pod("names", pod_spec(image, script)))
    assert terminated(namespace, "names")["exitCode"] == 0
    answer = kubectl("logs", "-n", namespace, "names").split()
    assert answer[:2] == ["10.96.0.1", "kubernetes.default.svc.cluster.local"]
    assert "2" in answer, "getent's code for a name that does not exist"


def test_a_pod_without_rights_is_refused_by_rbac(image: str, namespace: str) -> None:
    account = f"system:serviceaccount:{namespace}:default"
    done = run("exec", "--", "kubectl", "auth", "can-i", "get", "secrets", f"--as={account}",
               check=False)  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (1, "no")


def test_exec_keeps_the_folder_and_finds_the_tools() -> None:
    require_machine()
    run("up")
    script = 'pwd; for tool in helm kubectl ctr; do command -v "$tool"; done'
    done = subprocess.run(
        command("exec", "--", "bash", "-c", script),
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(SCRIPT.parent)
    assert len(done.stdout.splitlines()) == 4


def test_exec_passes_on_code_signal_and_input() -> None:
    require_machine()
    run("up")
    assert run("exec", "--", "sh", "-c", "exit 7", check=False).returncode == 7
    assert run("exec", "--", "sh", "-c", "kill -9 $$", check=False).returncode == 137
    assert run("exec", "--", "no-such-program", check=False).returncode == 127
    assert run("exec", "--", "cat", text="through").stdout == "through"

    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    running = subprocess.Popen(
        command("exec", "--", "sh", "-c", script),
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        assert running.stdout.read() == "caught\n"
    assert running.returncode == 5
