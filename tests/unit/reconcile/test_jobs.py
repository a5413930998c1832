"""The manifests of Jobs: whose they are, and when they try again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.contract import Step, configuration_file
from chroma_sync.reconcile.decision import CreateJob
from chroma_sync.reconcile.jobs import check_job, step_job
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


def test_a_job_mounts_a_config_map_of_its_own_name() -> None:
    """The file's name comes of the Job: so what others put into the ConfigMap's place is known."""
    for job in made():
        assert job.config_map["metadata"] == job.manifest["metadata"]
        assert job.config_map["immutable"] is True
        ((key, text),) = job.config_map["data"].items()
        assert Configuration.model_validate(json.loads(text)) == configuration()
        pod = job.manifest["spec"]["template"]["spec"]
        (volume,) = [v["configMap"] for v in pod["volumes"] if "configMap" in v]
        assert volume == {
            "name": job.manifest["metadata"]["name"],
            "items": [{"key": key, "path": configuration_file(text.encode())}],
        }
        mounts = {m["name"]: m for m in pod["containers"][0]["volumeMounts"]}
        assert mounts["configuration"] == {
            "name": "configuration",
            "mountPath": "/var/run/chroma-sync/configuration",
            "readOnly": True,
        }
        assert "docs" not in json.dumps(pod["containers"][0]["env"])


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
    assert (check["spec"]["backoffLimit"], check["spec"]["ttlSecondsAfterFinished"]) == (0, 3600)
