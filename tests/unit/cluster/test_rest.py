"""The client against an API server that refuses, throttles and pages. Real HTTP on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client as k8s

from chroma_sync.cluster import client as client_module
from chroma_sync.cluster import paths
from chroma_sync.cluster.client import KubernetesCluster
from chroma_sync.cluster.errors import ClusterError, NamespaceTerminatingError
from chroma_sync.cluster.rest import Rest
from chroma_sync.reconcile.decision import Event

Answer = tuple[int, dict[str, str], Any]
PATH = paths.item(paths.API, "team", "sources", "docs")
DOCS = {
    "apiVersion": "chromasync.dev/v1alpha1",
    "metadata": {"name": "docs", "namespace": "team", "uid": "u", "resourceVersion": "1"},
}


def refusal(status: int, message: str, *causes: str, **headers: str) -> Answer:
    """A Status object, as the API server sends it."""
    details = {"causes": [{"reason": cause, "message": message} for cause in causes]}
    body = {"kind": "Status", "code": status, "message": message, "details": details}
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


TERMINATING = refusal(403, "because it is being terminated", "NamespaceTerminating")


class Api:
    """Gives one answer after the other, the last one for ever. Keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.slept: list[float] = []  # for how long the client waited; it does not really

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path_qs}")
        status, headers, body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return web.json_response(body, status=status, headers=headers)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def run(self, use: Callable[[Rest], Awaitable[Any]]) -> Any:
        async def scenario() -> Any:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self.answer)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            configuration = k8s.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
            configuration.client_session_kwargs = {"trust_env": False}
            connected = Rest(k8s.ApiClient(configuration), sleep=self.sleep)
            try:
                return await use(connected)
            finally:
                await connected.close()
                await runner.cleanup()

        return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0", 0.0), ("86400", 10.0), ("9" * 400, 1.0), ("soon", 1.0), ("-1", 1.0)],
)
def test_a_server_that_asks_to_wait_is_asked_again_then(header: str, seconds: float) -> None:
    api = Api(refusal(429, "too many", Retry_After=header), (200, {}, {"kind": "Source"}))
    assert api.run(lambda r: r.get(PATH)) == {"kind": "Source"}
    assert api.slept == [seconds]
    assert len(api.asked) == 2


def test_a_server_that_asks_to_wait_for_ever_is_an_error_at_last() -> None:
    api = Api(refusal(429, "too many", Retry_After="1"))
    with pytest.raises(ClusterError, match="429 too many"):
        api.run(lambda r: r.get(PATH))
    assert api.slept == [1.0] * 4
    assert len(api.asked) == 5


def test_nothing_can_be_made_in_a_namespace_that_goes_away() -> None:
    with pytest.raises(NamespaceTerminatingError, match="is being terminated"):
        Api(TERMINATING).run(lambda r: r.post(paths.collection(paths.BATCH, "team", "jobs"), {}))


@pytest.mark.parametrize("answer", [TERMINATING, refusal(404, 'namespaces "team" not found')])
def test_an_event_for_nobody_is_no_trouble(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    event = Event("Normal", "Available", "ok")
    with caplog.at_level(logging.INFO):
        api = Api(answer)
        api.run(lambda r: KubernetesCluster(r).post_event("Source", DOCS, event))
    assert len(api.asked) == 1
    assert caplog.records == []


def test_an_event_that_is_forbidden_is_trouble() -> None:
    event = Event("Normal", "Available", "ok")
    api = Api(refusal(403, "no right to make events"))
    with pytest.raises(ClusterError, match="no right"):
        api.run(lambda r: KubernetesCluster(r).post_event("Source", DOCS, event))


def test_an_event_of_a_long_name_has_a_name_that_is_taken() -> None:
    name = f"{'a' * 199}.b"
    obj = {**DOCS, "metadata": {**DOCS["metadata"], "name": name}}  # type: ignore[dict-item]
    event = Event("Normal", "Available", "ok")
    exists = refusal(409, "already exists")
    api = Api(exists, (200, {}, {"count": 2}))
    api.run(lambda r: KubernetesCluster(r).post_event("Source", obj, event))
    assert api.asked[1].startswith(f"PATCH /api/v1/namespaces/team/events/{'a' * 199}.")


def page(*names: str, more: str = "") -> Answer:
    items = [
        {
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": f"uid-{name}",
                "managedFields": [{"manager": "kubectl"}],
            }
        }
        for name in names
    ]
    metadata = {"resourceVersion": "7", **({"continue": more} if more else {})}
    return 200, {}, {"metadata": metadata, "items": items or None}


def test_a_list_comes_in_pages_and_without_what_nobody_needs() -> None:
    api = Api(page("a", "b", more="token"), page("c"))
    listing = api.run(lambda r: KubernetesCluster(r).list_all("Job"))
    assert listing.version == 7
    assert listing.places == {("team", "a"), ("team", "b"), ("team", "c")}
    assert listing.uids == {"uid-a", "uid-b", "uid-c"}
    selector = "labelSelector=chromasync.dev/source"
    assert [asked.partition("?")[2] for asked in api.asked] == [
        f"limit={client_module.PAGE}&{selector}",
        f"limit={client_module.PAGE}&{selector}&continue=token",
    ]


def test_a_list_of_nothing() -> None:
    listing = Api(page()).run(lambda r: KubernetesCluster(r).list_all("Source"))
    assert (listing.places, listing.uids) == (frozenset(), frozenset())


def groups(*versions: str) -> Answer:
    return 200, {}, {"groups": [{"versions": [{"groupVersion": v} for v in versions]}]}


def kinds(*names: str) -> Answer:
    return 200, {}, {"resources": [{"name": name} for name in names]}


OURS = "chromasync.dev/v1alpha1"


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        ([groups("apps/v1")], {"sources", "invocations"}),
        ([groups("chromasync.dev/v1")], {"sources", "invocations"}),
        ([groups(OURS), refusal(404, "not found")], {"sources", "invocations"}),
        ([groups(OURS), kinds("sources", "sources/status")], {"invocations"}),
        ([groups("apps/v1", OURS), kinds("sources", "invocations")], set()),
    ],
)
def test_which_kinds_are_not_served(answers: list[Answer], missing: set[str]) -> None:
    assert Api(*answers).run(lambda r: KubernetesCluster(r).unserved()) == missing
