"""Passes against a cluster in memory, for what no real one can be made to do at the right moment:
objects that vanish between two requests of one pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from chroma_sync.api.contract import Result, Step, encode_result
from chroma_sync.api.invocation import CollectionStatus
from chroma_sync.cluster.errors import ClusterError, ConflictError, InvalidError, NotFoundError
from chroma_sync.cluster.interface import Kind, Object
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.keys import Key
from chroma_sync.controller.merge import merge_patch
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.passes import Passes
from chroma_sync.controller.workqueue import RetryError
from chroma_sync.reconcile.observed import PodState, Terminated
from chroma_sync.reconcile.plan import Event
from unit.reconcile.build import INSTALLATION, NOW, as_json, invocation, later, ready_source

SOURCE = Key("Source", "team", "docs")


def run_key(name: str) -> Key:
    return Key("Invocation", "team", name)


class MemoryCluster:
    """The API server, as far as passes use it. `after` is called after each request with its name
    and the name of its object."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.objects: dict[tuple[str, str], Object] = {}
        self.jobs: dict[str, Object] = {}
        self.pods_there: list[PodState] = []
        self.events: list[str] = []
        self.after: Callable[[str, str], None] = lambda *_: None
        self.job_gate = asyncio.Event()
        self.job_gate.set()
        self._version = 100

    def put(self, obj: Object) -> None:
        self._version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        obj = {**obj, "metadata": metadata}
        self.objects[obj["kind"], metadata["name"]] = obj
        self._tell(obj, deleted=False)

    def remove(self, kind: str, name: str) -> None:
        self._version += 1
        obj = self.objects.pop((kind, name))
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        self._tell({**obj, "metadata": metadata}, deleted=True)

    def _tell(self, obj: Object, *, deleted: bool) -> None:
        changed = keys.source_changed if obj["kind"] == "Source" else keys.invocation_changed
        changed(self.cache, obj, deleted=deleted)

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        await asyncio.sleep(0)
        return self.objects.get((kind, name))

    async def patch_status(self, kind: Kind, obj: Object, status: Object) -> Object:
        await asyncio.sleep(0)
        name = obj["metadata"]["name"]
        stands = self.objects.get((kind, name))
        if stands is None:
            raise NotFoundError(404, name)
        if stands["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise ConflictError(409, name)
        self.put({**stands, "status": _merged(stands.get("status") or {}, status)})
        patched = self.objects[kind, name]
        self.after("patch_status", name)
        return patched

    async def create_job(self, job: Object) -> Object:
        await self.job_gate.wait()
        self._version += 1
        name = job["metadata"]["name"]
        made = {"uid": f"uid-{name}", "resourceVersion": str(self._version)}
        created = {"creationTimestamp": NOW.isoformat()}
        self.jobs[name] = {**job, "metadata": {**job["metadata"], **made, **created}}
        self.after("create_job", name)
        return self.jobs[name]

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        del self.jobs[name]

    async def pods(self, namespace: str, selector: str) -> list[PodState]:
        return self.pods_there

    async def delete_invocation(self, namespace: str, name: str, uid: str) -> None:
        self.remove("Invocation", name)

    async def post_event(self, kind: Kind, obj: Object, event: Event) -> None:
        self.events.append(event.reason)

    async def read_progress(self, address: str) -> Result | None:
        return None


def _merged(old: Object, patch: Object) -> Object:
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            both = isinstance(value, dict) and isinstance(new.get(key), dict)
            new[key] = _merged(new[key], value) if both else value
    return new


@pytest.fixture
def cluster() -> MemoryCluster:
    """A ready Source with two Invocations, the first of them admitted."""
    cluster = MemoryCluster(Cache())
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation(name="first", uid="uid-first")))
    second = invocation(name="second", uid="uid-second", created=later(1))
    cluster.put(as_json(second))
    return cluster


def passes_over(cluster: MemoryCluster, clock: Callable[[], float] = monotonic) -> Passes:
    return Passes(
        cluster, cluster.cache, INSTALLATION, Metrics(), now=lambda: later(10), clock=clock
    )


def active(cluster: MemoryCluster) -> str:
    status: dict[str, Any] = cluster.objects["Source", "docs"]["status"]
    return str((status.get("activeInvocation") or {}).get("name", ""))


def test_the_patch_that_passes_write_is_a_merge_patch() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    new = {"b": {"c": 1, "d": 3}, "e": [1, 2], "f": 0}
    assert _merged(old, merge_patch(old, new)) == new


def test_a_run_that_is_deleted_while_it_begins_gets_no_job(cluster: MemoryCluster) -> None:
    """Its successor may have been admitted by then: never two Jobs."""
    passes = passes_over(cluster)

    def delete_it(request: str, name: str) -> None:
        if (request, name) == ("patch_status", "first"):
            cluster.remove("Invocation", "first")

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        assert active(cluster) == "first"
        cluster.after = delete_it
        await passes.reconcile(run_key("first"))
        assert cluster.jobs == {}
        await passes.reconcile(SOURCE)
        assert active(cluster) == "second"
        await passes.reconcile(run_key("second"))
        assert len(cluster.jobs) == 1

    asyncio.run(scenario())


def test_nobody_is_admitted_while_a_job_is_being_made(cluster: MemoryCluster) -> None:
    """The run is deleted while the request for its Job is under way: the Source waits for the
    answer, and then for the end of that Job."""
    passes = passes_over(cluster)

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        cluster.job_gate.clear()
        begins = asyncio.create_task(passes.reconcile(run_key("first")))
        await asyncio.sleep(0.05)
        cluster.remove("Invocation", "first")
        admits = asyncio.create_task(passes.reconcile(SOURCE))
        await asyncio.sleep(0.05)
        assert not admits.done()
        cluster.job_gate.set()
        await asyncio.gather(begins, admits)
        assert len(cluster.jobs) == 1
        assert active(cluster) == ""

    asyncio.run(scenario())


def test_events_are_told_even_when_an_action_fails(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def refused(job: Object) -> Object:
        raise ClusterError(500, "no")

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        cluster.events.clear()
        cluster.create_job = refused  # type: ignore[method-assign]
        with pytest.raises(RetryError):
            await passes.reconcile(run_key("first"))
        assert cluster.events == ["Processing"]

    asyncio.run(scenario())


def test_what_belongs_to_a_deleted_run_is_forgotten(cluster: MemoryCluster) -> None:
    passes = passes_over(cluster)

    async def scenario() -> None:
        await passes.reconcile(SOURCE)
        await passes.reconcile(run_key("first"))
        await passes.reconcile(run_key("first"))
        assert run_key("first") in passes._told
        cluster.remove("Invocation", "first")
        await passes.reconcile(run_key("first"))
        assert passes._told == {}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "refused"), [(InvalidError(422, "no"), True), (ClusterError(500, "no"), False)]
)
def test_a_refusal_is_a_retry_that_is_told_at_once(
    cluster: MemoryCluster, error: ClusterError, refused: bool
) -> None:
    async def fails(kind: Kind, namespace: str, name: str) -> Object | None:
        raise error

    cluster.read = fails  # type: ignore[method-assign]
    with pytest.raises(RetryError) as raised:
        asyncio.run(passes_over(cluster).reconcile(SOURCE))
    assert raised.value.refused is refused


class Pods:
    """Pods at work that are asked: `silent` ones do not answer, within any time."""

    def __init__(self, cluster: MemoryCluster, count: int) -> None:
        self.silent: set[str] = set()
        self.asked: list[str] = []
        cluster.pods_there = [worker(n) for n in range(count)]
        cluster.read_progress = self.read  # type: ignore[method-assign]

    async def read(self, address: str) -> Result | None:
        self.asked.append(address)
        if address in self.silent:
            await asyncio.sleep(3600)
        return Result(bytes=1)

    def those_asked(self) -> list[str]:
        asked, self.asked = self.asked, []
        return asked


def worker(n: int) -> PodState:
    return PodState(
        name=f"pod-{n}",
        uid=f"uid-pod-{n}",
        job="job",
        step=Step.WORK,
        invocation_uid="uid-first",
        created=NOW,
        phase="Running",
        address=f"10.0.0.{n}",
    )


async def begin(passes: Passes) -> None:
    """Bring the first run so far that its pods are asked from the next pass on."""
    await passes.reconcile(SOURCE)
    await passes.reconcile(run_key("first"))


def test_a_pass_waits_once_for_all_silent_pods_and_for_no_others(cluster: MemoryCluster) -> None:
    pods = Pods(cluster, 40)
    pods.silent = {f"10.0.0.{n}" for n in range(20, 40)}
    passes = passes_over(cluster)

    async def scenario() -> None:
        await begin(passes)
        began = monotonic()
        await passes.reconcile(run_key("first"))
        assert monotonic() - began < 2.0
        assert set(passes._told[run_key("first")]) == {f"uid-pod-{n}" for n in range(20)}
        # Nobody who was not asked is taken for silent.
        assert set(passes._silent[run_key("first")]) == {f"uid-pod-{n}" for n in range(20, 28)}

    asyncio.run(scenario())


def test_a_job_that_ends_while_its_pod_is_asked_does_not_end_the_run_without_its_result(
    cluster: MemoryCluster,
) -> None:
    passes = passes_over(cluster)
    told = Result(collection=CollectionStatus(name="docs", id="1", records=7))

    async def ends(address: str) -> Result | None:
        (job,) = cluster.jobs.values()
        metadata = {**job["metadata"], "resourceVersion": "999"}
        complete = {"conditions": [{"type": "Complete", "status": "True"}]}
        ended = {**job, "metadata": metadata, "status": complete}
        keys.job_changed(cluster.cache, ended, deleted=False)
        return None

    cluster.read_progress = ends  # type: ignore[method-assign]

    def status() -> Any:
        return cluster.objects["Invocation", "first"]["status"]

    async def scenario() -> None:
        await begin(passes)
        pod = replace(worker(0), step=Step.RUN, job=next(iter(cluster.jobs)))
        cluster.pods_there = [pod]
        await passes.reconcile(run_key("first"))
        assert condition(status())["status"] == "Unknown"
        ended = Terminated(exit_code=0, reason="Completed", message=encode_result(told).decode())
        cluster.pods_there = [replace(pod, phase="Succeeded", terminated=ended)]
        await passes.reconcile(run_key("first"))
        assert condition(status())["status"] == "True"
        assert status()["collection"]["records"] == 7

    def condition(status: Any) -> Any:
        return next(c for c in status["conditions"] if c["type"] == "Succeeded")

    asyncio.run(scenario())


def test_silent_pods_take_nothing_from_other_passes(cluster: MemoryCluster) -> None:
    pods = Pods(cluster, 40)
    pods.silent = {f"10.0.0.{n}" for n in range(40)}
    passes = passes_over(cluster)

    async def scenario() -> None:
        await begin(passes)
        waiting = asyncio.create_task(passes.reconcile(run_key("first")))
        await asyncio.sleep(0.1)
        answers = await asyncio.wait_for(passes._answers([worker(100)]), 0.5)
        assert answers == {"uid-pod-100": Result(bytes=1)}
        await waiting

    asyncio.run(scenario())


def test_a_silent_pod_is_asked_ever_more_rarely(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroma_sync.controller.passes.POLLS_SECONDS", 0.02)
    time = 0.0
    pods = Pods(cluster, 2)
    pods.silent = {"10.0.0.0"}
    passes = passes_over(cluster, lambda: time)

    async def scenario() -> None:
        nonlocal time
        await begin(passes)
        pods.those_asked()
        times: list[float] = []
        for second in range(250):
            time = float(second)
            await passes.reconcile(run_key("first"))
            asked = pods.those_asked()
            assert "10.0.0.1" in asked
            times += [time] if "10.0.0.0" in asked else []
        assert times == [0, 2, 6, 14, 30, 62, 122, 182, 242]

        pods.silent = set()
        time = 302.0
        await passes.reconcile(run_key("first"))
        # It answered, and those that were silent are asked last.
        assert pods.those_asked() == ["10.0.0.1", "10.0.0.0"]
        assert passes._silent == {run_key("first"): {}}
        await passes.reconcile(run_key("first"))
        assert pods.those_asked() == ["10.0.0.0", "10.0.0.1"]

    asyncio.run(scenario())


def test_a_pod_that_is_gone_is_forgotten(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroma_sync.controller.passes.POLLS_SECONDS", 0.02)
    pods = Pods(cluster, 2)
    pods.silent = {"10.0.0.0"}
    passes = passes_over(cluster)

    async def scenario() -> None:
        await begin(passes)
        await passes.reconcile(run_key("first"))
        assert passes._silent[run_key("first")] and passes._told[run_key("first")]
        cluster.pods_there = []
        await passes.reconcile(run_key("first"))
        assert passes._silent == {run_key("first"): {}}
        assert passes._told == {run_key("first"): {}}
        cluster.remove("Invocation", "first")
        await passes.reconcile(run_key("first"))
        assert not passes._silent and not passes._told

    asyncio.run(scenario())
