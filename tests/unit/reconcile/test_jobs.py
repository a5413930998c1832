"""The manifests of Jobs: whose they are, and when they try again."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.contract import Step, configuration_file
from chroma_sync.reconcile.decision import CreateJob
from chroma_sync.reconcile.jobs import check_job, delete_job, step_job
from chroma_sync.reconcile.observed import job_state
from chroma_sync.reconcile.owners import Owner
from chroma_sync.reconcile.run import stored
from unit.reconcile.build import INSTALLATION, begun, source

STEPS = (Step.RUN, Step.PLAN, Step.WORK, Step.FINISH)


def configuration() -> Configuration:
    _, run, _ = begun(jobTemplate={"parallelism": 3, "activeDeadlineSeconds": 7200})
    found = stored(run.status)
    assert found is not None
    return found


def made() -> list[CreateJob]:
    """A Job of each kind: of a check, and of each step of a run."""
    _, run, _ = begun()
    checks = [check_job(Owner.of(source()), "1", configuration(), INSTALLATION)]
    owner = Owner.of(run)
    return checks + [step_job(owner, step, configuration(), INSTALLATION) for step in STEPS]


def manifests() -> list[dict[str, Any]]:
    return [job.manifest for job in made()]


def test_a_job_mounts_a_config_map_of_its_own() -> None:
    """The file's name comes of the Job: so what others put into the ConfigMap's place is known."""
    for job in made():
        name = job_state(job.manifest).config_map
        assert name.startswith(f"{job.manifest['metadata']['name']}-")
        assert job.config_map["metadata"] == {**job.manifest["metadata"], "name": name}
        assert job.config_map["immutable"] is True
        ((key, text),) = job.config_map["data"].items()
        assert Configuration.model_validate(json.loads(text)) == configuration()
        pod = job.manifest["spec"]["template"]["spec"]
        (volume,) = [v["configMap"] for v in pod["volumes"] if "configMap" in v]
        assert volume == {
            "name": name,
            "items": [{"key": key, "path": configuration_file(text.encode())}],
        }
        mounts = {m["name"]: m for m in pod["containers"][0]["volumeMounts"]}
        assert mounts["configuration"] == {
            "name": "configuration",
            "mountPath": "/var/run/chroma-sync/configuration",
            "readOnly": True,
        }
        assert "docs" not in json.dumps(pod["containers"][0]["env"])


def test_what_the_api_server_gives_back_sorted_makes_the_same_job() -> None:
    _, run, _ = begun()
    fixed = run.status.configuration
    assert fixed is not None
    back = json.loads(json.dumps(fixed, sort_keys=True))
    assert list(back) != list(fixed)
    jobs = [
        step_job(Owner.of(run), Step.RUN, configuration(), INSTALLATION, stored)
        for stored in (fixed, back)
    ]
    assert jobs[0] == jobs[1]


def test_a_config_map_of_other_content_has_another_name() -> None:
    _, run, _ = begun()
    others = configuration().model_copy(update={"seals": ["other"]})
    one, other = (
        step_job(Owner.of(run), Step.FINISH, c, INSTALLATION) for c in (configuration(), others)
    )
    assert one.manifest["metadata"] == other.manifest["metadata"]
    assert one.config_map["metadata"]["name"] != other.config_map["metadata"]["name"]


@pytest.mark.parametrize(
    "mounted",
    [
        "app-settings",
        "app-settings-chroma-sync-",
        "app-settings-chroma-sync-settings",
        "other-chroma-sync-0123456789abcdef",
        "app-settings-chroma-sync-0123456789abcdef-x",
    ],
)
def test_no_job_leads_to_the_config_map_of_others(mounted: str) -> None:
    """Whoever may make Jobs gives them the owner and the volumes that he likes."""
    _, run, _ = begun()
    job = step_job(Owner.of(run), Step.RUN, configuration(), INSTALLATION).manifest
    hostile = copy.deepcopy(job)
    hostile["metadata"]["name"] = "app-settings"
    for volume in hostile["spec"]["template"]["spec"]["volumes"]:
        if "configMap" in volume:
            volume["configMap"]["name"] = mounted
    assert delete_job(job_state(hostile)).config_map == ""
    assert delete_job(job_state(job)).config_map != ""


def test_a_foreground_deletion_waits_for_the_pods() -> None:
    for job in manifests():
        (reference,) = job["metadata"]["ownerReferences"]
        assert reference["blockOwnerDeletion"] is True


@pytest.mark.parametrize(
    ("number", "kind", "name"), [(0, "Source", "docs"), (1, "Invocation", "first")]
)
def test_a_job_belongs_to_what_it_is_made_for(number: int, kind: str, name: str) -> None:
    job = manifests()[number]
    (reference,) = job["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["controller"]) == (kind, name, True)
    labels = job["metadata"]["labels"]
    assert labels == job["spec"]["template"]["metadata"]["labels"]
    assert labels["chromasync.dev/source"] == "docs"
    assert labels[f"chromasync.dev/{kind.lower()}-uid"] == reference["uid"]


def test_all_jobs_have_names_of_their_own_that_pods_can_have_too() -> None:
    names = [job["metadata"]["name"] for job in manifests()]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 57 for name in names)


def test_what_a_person_must_change_is_not_tried_again() -> None:
    for job in manifests():
        fail, ignore = job["spec"]["podFailurePolicy"]["rules"]
        assert (fail["action"], fail["onExitCodes"]["values"]) == ("FailJob", [64, 65])
        assert (ignore["action"], ignore["onPodConditions"][0]["type"]) == (
            *("Ignore", "DisruptionTarget"),
        )
        assert job["spec"]["podReplacementPolicy"] == "Failed"
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_time_that_a_job_may_take() -> None:
    check, *steps = manifests()
    assert check["spec"]["activeDeadlineSeconds"] == 120
    assert [job["spec"]["activeDeadlineSeconds"] for job in steps] == [7200] * 4
    assert check["spec"]["backoffLimit"] == 0


def test_no_job_goes_but_by_the_operator_which_takes_its_config_map_along() -> None:
    assert not any("ttlSecondsAfterFinished" in job["spec"] for job in manifests())
