"""What the client asks of the API server."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast

import pytest

from chroma_sync.cluster.client import KubernetesCluster
from chroma_sync.cluster.errors import ClusterError, ConflictError, InvalidError, NotFoundError
from chroma_sync.cluster.rest import Rest

BATCH = "/apis/batch/v1/namespaces/team/jobs/first"
OURS = "/apis/chromasync.dev/v1alpha1/namespaces/team/invocations/first"


class Recorder:
    """Answers each DELETE and POST with an error, or with nothing."""

    def __init__(self, error: ClusterError | None = None) -> None:
        self.deleted: list[tuple[str, Any]] = []
        self.posted: list[tuple[str, Any]] = []
        self._error = error

    async def delete(self, path: str, body: Any) -> Any:
        self.deleted.append((path, body))
        if self._error is not None:
            raise self._error
        return {}

    async def post(self, path: str, body: Any) -> Any:
        self.posted.append((path, body))
        if self._error is not None:
            raise self._error
        return {}


def delete(recorder: Recorder, kind: Literal["Job", "Invocation"]) -> bool:
    cluster = KubernetesCluster(cast(Rest, recorder))
    return asyncio.run(cluster.delete(kind, "team", "first", "u"))


@pytest.mark.parametrize(
    ("kind", "path", "propagation"),
    [("Job", BATCH, "Foreground"), ("Invocation", OURS, "Background")],
)
def test_the_pods_of_a_job_go_before_it_and_only_what_was_meant_goes(
    kind: Literal["Job", "Invocation"], path: str, propagation: str
) -> None:
    recorder = Recorder()
    assert delete(recorder, kind)
    body = {"propagationPolicy": propagation, "preconditions": {"uid": "u"}}
    assert recorder.deleted == [(path, body)]


@pytest.mark.parametrize("error", [NotFoundError(404, "gone"), ConflictError(409, "another uid")])
def test_what_is_gone_is_not_deleted_once_more(error: ClusterError) -> None:
    recorder = Recorder(error)
    assert not delete(recorder, "Job")
    assert len(recorder.deleted) == 1
    with pytest.raises(ClusterError, match="no"):
        delete(Recorder(ClusterError(500, "no")), "Job")


def test_a_config_map_that_is_there_is_left_alone_and_one_that_is_gone_is_deleted() -> None:
    folder = "/api/v1/namespaces/team/configmaps"
    config_map = {"metadata": {"namespace": "team", "name": "first"}, "data": {"a": "b"}}
    recorder = Recorder(ConflictError(409, "there"))
    asyncio.run(KubernetesCluster(cast(Rest, recorder)).create_config_map(config_map))
    assert recorder.posted == [(folder, config_map)]
    with pytest.raises(InvalidError, match="quota"):
        refused = Recorder(InvalidError(403, "quota"))
        asyncio.run(KubernetesCluster(cast(Rest, refused)).create_config_map(config_map))
    recorder = Recorder(NotFoundError(404, "gone"))
    asyncio.run(KubernetesCluster(cast(Rest, recorder)).delete_config_map("team", "first"))
    assert recorder.deleted == [(f"{folder}/first", {})]


class Lister:
    """Lists two pages in each folder, which shows its state at a version of its own."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, path: str, query: dict[str, str], *, accept: str) -> Any:
        first = "continue" not in query
        if first:
            self.asked.append(path)
        namespace = path.split("/")[5] if "/namespaces/" in path else "team-a"
        metadata = {
            "namespace": namespace,
            "name": "x1" if first else "x2",
            "uid": f"u{first}{path}",
        }
        version = "70" if namespace == "team-a" else "90"
        more = {"continue": "more"} if first else {}
        return {"metadata": {"resourceVersion": version, **more}, "items": [{"metadata": metadata}]}


@pytest.mark.parametrize(
    ("namespaces", "asked", "places"),
    [
        ([], ["/apis/batch/v1/jobs"], {("team-a", "x1"), ("team-a", "x2")}),
        (
            ["team-b", "team-a"],
            ["/apis/batch/v1/namespaces/team-b/jobs", "/apis/batch/v1/namespaces/team-a/jobs"],
            {(n, x) for n in ("team-a", "team-b") for x in ("x1", "x2")},
        ),
    ],
)
def test_only_the_namespaces_that_are_watched_are_listed(
    namespaces: list[str], asked: list[str], places: set[tuple[str, str]]
) -> None:
    lister = Lister()
    listing = asyncio.run(KubernetesCluster(cast(Rest, lister), namespaces).list_all("Job"))
    assert lister.asked == asked
    assert listing.places == places
    assert len(listing.uids) == len(places)
    # What is newer than the oldest of the lists may stand in none of them.
    assert listing.version == 70


class Guarded:
    """Refuses to list one kind."""

    def __init__(self, refused: str, status: int = 403) -> None:
        self._refused, self._status = refused, status

    async def get(self, path: str, query: dict[str, str], *, accept: str) -> Any:
        if path.endswith(self._refused):
            raise InvalidError(self._status, "no")
        return {"metadata": {"resourceVersion": "1"}, "items": None}


@pytest.mark.parametrize("plural", ["sources", "invocations", "jobs", "pods"])
def test_a_namespace_can_be_watched_when_all_kinds_can(plural: str) -> None:
    cluster = KubernetesCluster(cast(Rest, Guarded(plural)))
    assert not asyncio.run(cluster.may_list("team"))
    assert asyncio.run(KubernetesCluster(cast(Rest, Guarded("none"))).may_list("team"))
    with pytest.raises(InvalidError):
        asyncio.run(KubernetesCluster(cast(Rest, Guarded(plural, 400))).may_list("team"))
