"""What the client asks of the API server."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast

import pytest

from chroma_sync.cluster.client import KubernetesCluster
from chroma_sync.cluster.errors import ClusterError, ConflictError, NotFoundError
from chroma_sync.cluster.rest import Rest

BATCH = "/apis/batch/v1/namespaces/team/jobs/first"
OURS = "/apis/chromasync.dev/v1alpha1/namespaces/team/invocations/first"


class Recorder:
    """Answers each DELETE with an error, or with nothing."""

    def __init__(self, error: ClusterError | None = None) -> None:
        self.deleted: list[tuple[str, Any]] = []
        self._error = error

    async def delete(self, path: str, body: Any) -> Any:
        self.deleted.append((path, body))
        if self._error is not None:
            raise self._error
        return {}


def delete(recorder: Recorder, kind: Literal["Job", "Invocation"]) -> None:
    cluster = KubernetesCluster(cast(Rest, recorder))
    asyncio.run(cluster.delete(kind, "team", "first", "u"))


@pytest.mark.parametrize(
    ("kind", "path", "propagation"),
    [("Job", BATCH, "Foreground"), ("Invocation", OURS, "Background")],
)
def test_the_pods_of_a_job_go_before_it_and_only_what_was_meant_goes(
    kind: Literal["Job", "Invocation"], path: str, propagation: str
) -> None:
    recorder = Recorder()
    delete(recorder, kind)
    body = {"propagationPolicy": propagation, "preconditions": {"uid": "u"}}
    assert recorder.deleted == [(path, body)]


@pytest.mark.parametrize("error", [NotFoundError(404, "gone"), ConflictError(409, "another uid")])
def test_what_is_gone_is_deleted(error: ClusterError) -> None:
    recorder = Recorder(error)
    delete(recorder, "Job")
    assert len(recorder.deleted) == 1
    with pytest.raises(ClusterError, match="no"):
        delete(Recorder(ClusterError(500, "no")), "Job")
