"""A name is one segment of a path, or no request is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chroma_sync.cluster import paths
from chroma_sync.cluster.client import KubernetesCluster
from chroma_sync.cluster.errors import InvalidError
from chroma_sync.reconcile.decision import Event

HOSTILE = [
    "../../team-b/invocations/victim",
    "..",
    ".",
    "",
    "a/b",
    "a?x=y",
    "a#b",
    "a%2Fb",
    "A",
    "a\nb",
    "é",
    "a" * 254,
]


def test_the_path_of_an_object() -> None:
    path = paths.item(paths.API, "team-a", "invocations", "run.1")
    assert path == "/apis/chromasync.dev/v1alpha1/namespaces/team-a/invocations/run.1"
    assert paths.status(path) == f"{path}/status"
    assert paths.collection(paths.CORE, "team-a", "pods") == "/api/v1/namespaces/team-a/pods"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="no name of Kubernetes"):
        paths.item(paths.API, "team-a", "invocations", name)
    with pytest.raises(InvalidError, match="no name of Kubernetes"):
        paths.collection(paths.API, name, "invocations")


def _object(namespace: str, name: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "uid": "u", "resourceVersion": "1"}
    owner = {"uid": "u"}
    return {"apiVersion": "v1", "metadata": {**metadata, "ownerReferences": [owner]}}


REQUESTS: dict[str, Callable[[KubernetesCluster, str, str], Awaitable[Any]]] = {
    "read": lambda c, ns, name: c.read("Invocation", ns, name),
    "read_job": lambda c, ns, name: c.read_job(ns, name),
    "patch_status": lambda c, ns, name: c.patch_status("Source", _object(ns, name), {}),
    "delete a Job": lambda c, ns, name: c.delete("Job", ns, name, "u"),
    "delete an Invocation": lambda c, ns, name: c.delete("Invocation", ns, name, "u"),
}
IN_A_NAMESPACE: dict[str, Callable[[KubernetesCluster, str], Awaitable[Any]]] = {
    "create_job": lambda c, ns: c.create_job(_object(ns, "job")),
    "create_config_map": lambda c, ns: c.create_config_map(_object(ns, "job")),
    "pods": lambda c, ns: c.pods(ns, ""),
    "post_event": lambda c, ns: c.post_event(
        "Source", _object(ns, "docs"), Event("Normal", "Available", "ok")
    ),
}


class NoApi:
    """Nothing may reach the API server."""

    async def request(self, path: str, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"{path} was asked for")

    get = post = put = merge_patch = delete = request


@pytest.mark.parametrize("place", [("team-a", HOSTILE[0]), (HOSTILE[0], "run")])
@pytest.mark.parametrize("request_", REQUESTS)
def test_no_request_is_made_for_what_is_no_name(request_: str, place: tuple[str, str]) -> None:
    cluster = KubernetesCluster(NoApi())  # type: ignore[arg-type]
    with pytest.raises(InvalidError):
        asyncio.run(_awaited(REQUESTS[request_](cluster, *place)))


@pytest.mark.parametrize("request_", IN_A_NAMESPACE)
def test_no_request_is_made_in_what_is_no_namespace(request_: str) -> None:
    cluster = KubernetesCluster(NoApi())  # type: ignore[arg-type]
    with pytest.raises(InvalidError):
        asyncio.run(_awaited(IN_A_NAMESPACE[request_](cluster, HOSTILE[0])))


async def _awaited(request: Awaitable[Any]) -> Any:
    return await request
