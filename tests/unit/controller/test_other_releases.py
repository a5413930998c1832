"""The CRDs, what is stored, and the workers may be of a newer release than the operator: what it
understands it does, what it does not it leaves as it is, and it says so."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest

from chroma_sync.api.contract import Result, Step
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.meta import Object
from chroma_sync.api.source import Source
from chroma_sync.cluster.interface import Kind
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.controller.workqueue import RetryError
from chroma_sync.reconcile.observed import job_state
from unit.api.golden import golden
from unit.api.test_stored import next_schema
from unit.conditions_invariants import check
from unit.controller.memory_cluster import MemoryCluster, ended
from unit.controller.passing import FIRST, SOURCE, admit, passes_over
from unit.reconcile.build import as_json, invocation, later, ready_source, source


@pytest.fixture
def cluster() -> MemoryCluster:
    schemas: dict[Kind, Object] = {
        "Source": next_schema(Source),
        "Invocation": next_schema(Invocation),
    }
    return MemoryCluster(Cache(), schemas)


def run_passes(cluster: MemoryCluster, *keys: Key) -> None:
    async def scenario() -> None:
        passes = passes_over(cluster)
        for key in keys:
            await (admit(passes) if key == SOURCE else passes.reconcile(key))

    asyncio.run(scenario())


def conditions(obj: Object) -> dict[str, tuple[str, str, str]]:
    found = obj["status"]["conditions"]
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


def stored_source(cluster: MemoryCluster) -> Object:
    return cluster.objects["Source", "docs"]


def stored_run(cluster: MemoryCluster) -> Object:
    return cluster.objects["Invocation", "first"]


def with_spec(obj: Object, **changes: Any) -> Object:
    return {**obj, "spec": {**obj["spec"], **changes}}


def test_a_source_that_only_we_refuse_is_stalled_and_its_runs_wait(cluster: MemoryCluster) -> None:
    bad = {"github": {"repository": "acme/docs"}, "jobTemplate": {"scratchSize": "2 Gi"}}
    cluster.put(with_spec(as_json(source()), **bad))
    cluster.put(as_json(invocation()))
    run_passes(cluster, SOURCE, FIRST, SOURCE)
    sentence = (
        "spec.jobTemplate.scratchSize: must be a quantity as Kubernetes writes them, such as 500m, "
        "2 or 4Gi."
    )
    said = conditions(stored_source(cluster))
    assert said["Ready"] == ("False", "InvalidSpec", sentence)
    assert said["Stalled"] == ("True", "InvalidSpec", sentence)
    check(stored_source(cluster))
    waits = conditions(stored_run(cluster))["Succeeded"]
    assert waits[:2] == ("Unknown", "SourceNotReady")
    assert sentence in waits[2]
    assert cluster.jobs == {}


def test_a_source_that_is_understood_no_more_starts_nothing_even_before_its_pass(
    cluster: MemoryCluster,
) -> None:
    """Its status may be that of a newer operator, which was rolled back."""
    run = invocation()
    ready = as_json(ready_source())
    active = {"activeInvocation": {"name": "first", "uid": "run-uid"}}
    cluster.put({**with_spec(ready, engine="fast"), "status": ready["status"] | active})
    cluster.put(as_json(run))
    run_passes(cluster, FIRST)
    assert conditions(stored_run(cluster))["Succeeded"][1] == "SourceNotReady"
    assert cluster.jobs == {}


def test_a_source_is_checked_again_when_it_is_understood(cluster: MemoryCluster) -> None:
    cluster.put(with_spec(as_json(ready_source()), engine="fast"))
    run_passes(cluster, SOURCE)
    assert conditions(stored_source(cluster))["Ready"][1] == "InvalidSpec"
    cluster.put({**as_json(ready_source()), "status": stored_source(cluster)["status"]})
    run_passes(cluster, SOURCE)
    assert conditions(stored_source(cluster))["Ready"][1] == "Checking"


def test_an_invocation_that_only_we_refuse_is_held_and_lets_the_next_one_go(
    cluster: MemoryCluster,
) -> None:
    cluster.put(as_json(ready_source()))
    cluster.put(with_spec(as_json(invocation()), targetPolicy="Replace"))
    second = invocation(name="second", uid="uid-second", created=later(1))
    cluster.put(as_json(second))
    run_passes(cluster, SOURCE)
    assert stored_source(cluster)["status"]["activeInvocation"]["name"] == "second"
    run_passes(cluster, FIRST)
    said = conditions(stored_run(cluster))
    sentence = "spec.targetPolicy: must be one of 'Create' or 'Update'."
    assert said["Succeeded"] == ("Unknown", "InvalidSpec", sentence)
    assert said["Stalled"] == ("True", "InvalidSpec", sentence)
    check(stored_run(cluster))
    # A release that understands it goes on.
    cluster.put({**as_json(invocation()), "status": stored_run(cluster)["status"]})
    run_passes(cluster, FIRST)
    assert conditions(stored_run(cluster))["Succeeded"][1] == "Pending"


def test_an_invocation_with_a_newer_field_leaves_the_queue(cluster: MemoryCluster) -> None:
    cluster.put(as_json(ready_source()))
    cluster.put(with_spec(as_json(invocation()), engine="fast"))
    cluster.put(as_json(invocation(name="second", uid="uid-second", created=later(1))))
    run_passes(cluster, SOURCE, FIRST, SOURCE)
    assert conditions(stored_run(cluster))["Succeeded"][:2] == ("Unknown", "InvalidSpec")
    assert stored_source(cluster)["status"]["activeInvocation"]["name"] == "second"


def test_crds_that_are_upgraded_first_stop_nothing(cluster: MemoryCluster) -> None:
    """The API server fills a new field with its default into all that it holds."""
    ready = as_json(ready_source())
    spec = {"github": {**ready["spec"]["github"], "submodules": False}}
    cluster.put(with_spec(ready, **spec, retries={"limit": 3, "backoff": {"seconds": 10}}))
    cluster.put(with_spec(as_json(invocation()), priority=0))
    run_passes(cluster, SOURCE, FIRST)
    assert conditions(stored_run(cluster))["Succeeded"][:2] == ("Unknown", "Processing")
    assert len(cluster.jobs) == 1


def test_the_schema_is_read_once_for_many_passes(cluster: MemoryCluster) -> None:
    cluster.put(
        with_spec(as_json(ready_source()), retries={"limit": 3, "backoff": {"seconds": 10}})
    )
    run_passes(cluster, *[SOURCE] * 5)
    assert cluster.requests["read", "schema"] == 1


def put_run_of(cluster: MemoryCluster, release: str) -> Object:
    """The run of a release that goes: its documents are being indexed."""
    for name in ("source", "invocation"):
        cluster.put(golden(release, name))
    return copy.deepcopy(stored_run(cluster)["status"])


@pytest.mark.parametrize("release", ["v0.1.0", "next"])
def test_a_run_goes_on_with_the_configuration_that_it_began_with(
    cluster: MemoryCluster, release: str
) -> None:
    before = put_run_of(cluster, release)
    run_passes(cluster, FIRST)
    config_map = job_state(cluster.made(Step.PLAN)).config_map
    (given,) = cluster.config_maps[config_map]["data"].values()
    assert json.loads(given) == before["configuration"]
    assert stored_run(cluster)["status"]["configuration"] == before["configuration"]


def test_what_a_newer_operator_wrote_stays(cluster: MemoryCluster) -> None:
    before = put_run_of(cluster, "next")
    run_passes(cluster, FIRST, SOURCE)
    after = stored_run(cluster)["status"]
    assert after["phase"] == "Indexing"
    assert after["documents"]["queued"] == 4
    assert after["finishedShards"] == before["finishedShards"]
    source_status = stored_source(cluster)["status"]
    assert source_status["nextRunTime"] == "2026-11-25T12:00:00Z"
    assert source_status["activeInvocation"]["priority"] == 1
    assert conditions(stored_source(cluster))["Fresh"][1] == "Scheduled"


def test_a_result_of_a_newer_worker_is_read(cluster: MemoryCluster) -> None:
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation()))
    run_passes(cluster, SOURCE, FIRST)
    job = cluster.made(Step.RUN)
    status = ended_with(golden("next", "result"), 1)
    cluster.pods_there = [cluster.pod(job, **status)]
    cluster.end_job(job["metadata"]["name"], "Failed", reason="BackoffLimitExceeded")
    run_passes(cluster, FIRST)
    after = stored_run(cluster)
    assert after["status"]["documents"]["indexed"] == 2
    assert after["status"]["failures"][0]["document"] == "a.txt"
    assert "http://tei.test does not answer" in conditions(after)["Succeeded"][2]


def ended_with(result: Object, code: int) -> Object:
    status = ended(Result(), code)
    container = status["containerStatuses"][0]["state"]["terminated"]
    container["message"] = json.dumps(result)
    return status


def unreadable(configuration: Object) -> Object:
    return configuration | {"chunking": {"type": "semantic"}}


def requiring(configuration: Object) -> Object:
    return configuration | {"requires": ["submodules"]}


@pytest.mark.parametrize("changed", [unreadable, requiring])
def test_a_run_that_is_not_understood_is_held_and_nothing_of_it_is_killed(
    cluster: MemoryCluster, changed: Any
) -> None:
    put_run_of(cluster, "next")
    run_passes(cluster, FIRST)
    cluster.end_job(cluster.made(Step.PLAN)["metadata"]["name"], "Complete")
    status = stored_run(cluster)["status"]
    configuration = changed(status["configuration"])
    cluster.put({**stored_run(cluster), "status": status | {"configuration": configuration}})
    run_passes(cluster, FIRST)
    said = conditions(stored_run(cluster))
    assert said["Succeeded"][:2] == ("Unknown", "NewerRelease")
    assert said["Stalled"][0] == "True"
    assert "Upgrade the operator, or cancel the run." in said["Stalled"][2]
    assert "completionTime" not in stored_run(cluster)["status"]
    assert stored_run(cluster)["status"]["configuration"] == configuration
    assert list(cluster.jobs.values()) == [cluster.made(Step.PLAN)]


def test_a_newer_run_whose_last_job_is_done_is_complete(cluster: MemoryCluster) -> None:
    cluster.put(as_json(ready_source()))
    cluster.put(as_json(invocation()))
    run_passes(cluster, SOURCE, FIRST)
    raw = stored_run(cluster)
    configuration = unreadable(raw["status"]["configuration"])
    cluster.put({**raw, "status": raw["status"] | {"configuration": configuration}})
    cluster.end_job(cluster.made(Step.RUN)["metadata"]["name"], "Complete")
    run_passes(cluster, FIRST)
    assert conditions(stored_run(cluster))["Succeeded"][0] == "True"


def test_a_run_that_is_not_understood_can_be_cancelled(cluster: MemoryCluster) -> None:
    put_run_of(cluster, "next")
    raw = with_spec(stored_run(cluster), cancel=True)
    configuration = unreadable(raw["status"]["configuration"])
    cluster.put({**raw, "status": raw["status"] | {"configuration": configuration}})
    run_passes(cluster, FIRST)
    assert conditions(stored_run(cluster))["Succeeded"][:2] == ("False", "Cancelled")


def test_a_spec_that_is_not_understood_keeps_no_run_from_going_on(cluster: MemoryCluster) -> None:
    put_run_of(cluster, "next")
    cluster.put(with_spec(stored_source(cluster), engine="fast"))
    cluster.put(with_spec(stored_run(cluster), engine="fast"))
    run_passes(cluster, SOURCE, FIRST)
    assert conditions(stored_source(cluster))["Ready"][1] == "InvalidSpec"
    assert stored_source(cluster)["status"]["activeInvocation"]["name"] == "first"
    assert conditions(stored_run(cluster))["Succeeded"][:2] == ("Unknown", "Processing")
    assert len(cluster.jobs) == 1


def test_a_finished_run_that_is_not_understood_is_not_deleted(cluster: MemoryCluster) -> None:
    """A newer field may say that it is to be kept."""
    put_run_of(cluster, "next")
    raw = with_spec(stored_run(cluster), cancel=True)
    cluster.put(raw)
    run_passes(cluster, FIRST)
    done = with_spec(stored_run(cluster), engine="fast", ttlSecondsAfterFinished=0)
    cluster.put(done)
    run_passes(cluster, FIRST)
    assert ("Invocation", "first") in cluster.objects
    cluster.put(
        with_spec(
            golden("next", "invocation") | {"status": done["status"]}, ttlSecondsAfterFinished=0
        )
    )
    run_passes(cluster, SOURCE, FIRST)
    assert ("Invocation", "first") not in cluster.objects


def test_a_status_that_must_be_known_and_can_not_be_read_is_left_alone(
    cluster: MemoryCluster,
) -> None:
    put_run_of(cluster, "next")
    odd = stored_run(cluster)["status"] | {"startTime": 1_700_000_000}
    cluster.put({**stored_run(cluster), "status": odd})
    with pytest.raises(RetryError, match=r"status\.startTime") as raised:
        run_passes(cluster, FIRST)
    assert raised.value.refused
    assert stored_run(cluster)["status"] == odd
    assert cluster.jobs == {}
