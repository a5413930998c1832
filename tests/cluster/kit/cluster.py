"""A cluster as the tests see it: kubectl for what people do, and one `kubectl proxy` for looking.

Everything in the cluster is reached through the API server, so the tests run against any cluster
that a kubeconfig leads to.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
Object = dict[str, Any]

_PATHS = {
    "Source": "apis/chromasync.dev/v1alpha1/namespaces/{ns}/sources",
    "Invocation": "apis/chromasync.dev/v1alpha1/namespaces/{ns}/invocations",
    "Job": "apis/batch/v1/namespaces/{ns}/jobs",
    "Pod": "api/v1/namespaces/{ns}/pods",
    "Event": "api/v1/namespaces/{ns}/events",
    "ConfigMap": "api/v1/namespaces/{ns}/configmaps",
    "Secret": "api/v1/namespaces/{ns}/secrets",
    "Namespace": "api/v1/namespaces",
}


class Cluster:
    """The cluster under test."""

    def __init__(self, proxy: str) -> None:
        self._http = httpx.Client(base_url=proxy, timeout=30, trust_env=False)
        self.proxy = proxy

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl. Returns what it printed; raises with its message when it fails."""
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply(self, *objects: Object) -> None:
        """`kubectl apply` some objects in one go."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(o) for o in objects))

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        answer = self._http.get(f"{_PATHS[kind].format(ns=namespace)}/{name}")
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        found: Object = answer.json()
        return found

    def list(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """The objects of one kind."""
        query = {"labelSelector": selector} if selector else {}
        answer = self._http.get(_PATHS[kind].format(ns=namespace), params=query)
        answer.raise_for_status()
        items: list[Object] = answer.json()["items"]
        return items

    def watch(self, kind: str, namespace: str, seconds: int) -> Iterator[Object]:
        """The objects of one kind as they are made and changed, for so many seconds at most."""
        query = {"watch": "1", "timeoutSeconds": str(seconds)}
        path = _PATHS[kind].format(ns=namespace)
        with self._http.stream("GET", path, params=query, timeout=seconds + 30) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                yield json.loads(line)["object"]

    def create(self, kind: str, namespace: str, item: Object) -> Object:
        """Create an object. Returns it as it stands."""
        answer = self._http.post(_PATHS[kind].format(ns=namespace), json=item)
        made: Object = answer.raise_for_status().json()
        return made

    def patch_status(self, kind: str, namespace: str, name: str, status: Object) -> None:
        """Merge a change into an object's status."""
        self.patch(kind, namespace, f"{name}/status", {"status": status})

    def patch(self, kind: str, namespace: str, name: str, change: Object) -> None:
        """Merge a change into an object."""
        self._http.patch(
            f"{_PATHS[kind].format(ns=namespace)}/{name}",
            content=json.dumps(change),
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object if it is there; don't wait."""
        answer = self._http.delete(f"{_PATHS[kind].format(ns=namespace)}/{name}")
        if answer.status_code != 404:
            answer.raise_for_status()

    def service(self, namespace: str, name: str, port: int) -> str:
        """The address of a Service, by way of the API server."""
        return f"{self.proxy}/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy"


def eventually(what: str, look: Callable[[], T | None], seconds: float, pause: float = 0.2) -> T:
    """Look until there is something to see. Fails with what was looked for."""
    give_up_at = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not seen within {seconds} s: {what}")
        time.sleep(pause)


def condition(item: Mapping[str, Any] | None, kind: str) -> Mapping[str, str]:
    """One condition of an object; empty when it is not there."""
    conditions = (item or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def secret(namespace: str, name: str, **values: str) -> Object:
    """A Secret. `ca_crt` stands for the key `ca.crt`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {key.replace("ca_crt", "ca.crt"): value for key, value in values.items()},
    }


@contextmanager
def kubectl_proxy() -> Iterator[str]:
    """A `kubectl proxy` on loopback. Yields its address."""
    with _listening("proxy", "--port=0", "--address=127.0.0.1") as address:
        yield address


@contextmanager
def port_forward(namespace: str, service: str, port: int) -> Iterator[str]:
    """A Service's pod on loopback: for logins, which the API server would keep to itself. Yields
    its address."""
    command = ("-n", namespace, "port-forward", "--address=127.0.0.1")
    with _listening(*command, f"service/{service}", f":{port}") as address:
        yield address


@contextmanager
def every_pod(namespace: str, file: Path) -> Iterator[None]:
    """Write each state of each pod to a file until the block ends: a look now and then would miss
    the last one, for the operator deletes Jobs that are over."""
    command = ["kubectl", "-n", namespace, "get", "pods", "--watch", "--output=yaml"]
    with file.open("wb") as output, subprocess.Popen(command, stdout=output) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def _listening(*arguments: str) -> Iterator[str]:
    """A kubectl that serves on a port of its choice and says which. Yields its address."""
    command = ["kubectl", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, f"kubectl proxy said {line!r}"
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.kill()
