"""The manifests of Jobs, and of the ConfigMaps that their pods mount."""

from __future__ import annotations

import json
from typing import Final

from chroma_sync.api.configuration import Configuration, document
from chroma_sync.api.contract import ExitCode, Step, configuration_file
from chroma_sync.api.meta import Object
from chroma_sync.reconcile import names
from chroma_sync.reconcile.decision import CreateJob, Delete, TryJob
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import CONTAINER, JobState
from chroma_sync.reconcile.owners import Owner
from chroma_sync.reconcile.pod_spec import CONFIGURATION_KEY, Given, pod_spec

BACKOFF_LIMIT: Final = 6
# A check is one or two requests: it is repeated by the operator itself, not by its Job.
CHECK_DEADLINE_SECONDS: Final = 120


def check_job(
    owner: Owner, attempt: str, configuration: Configuration, to: Installation
) -> CreateJob:
    """The Job of one check of a Source. `attempt` tells it from the Source's other checks."""
    job = _job(owner, Step.CHECK, attempt, configuration, to)
    job.manifest["spec"] |= {
        "backoffLimit": 0,
        "activeDeadlineSeconds": CHECK_DEADLINE_SECONDS,
    }
    return job


def step_job(
    owner: Owner,
    step: Step,
    configuration: Configuration,
    to: Installation,
    stored: Object | None = None,
) -> CreateJob:
    """The Job of one step of a run. `work` has one pod for each shard. `stored` is what the
    configuration was read from: the worker gets all of it, as it stands."""
    return _step_job(owner, step, step.value, configuration, to, stored)


def trial_job(owner: Owner, attempt: str, configuration: Configuration, to: Installation) -> TryJob:
    """The Job whose pods do the work of a run, to ask the API server whether it would take it.
    `attempt` tells it from others that were asked for."""
    step = Step.RUN if configuration.shards == 1 else Step.WORK
    return TryJob(_step_job(owner, step, f"trial/{attempt}", configuration, to).manifest)


def delete_job(job: JobState) -> Delete:
    """Delete a Job, and the ConfigMap that was made for it."""
    return Delete("Job", job.name, job.uid, job.config_map)


def _step_job(
    owner: Owner,
    step: Step,
    salt: str,
    configuration: Configuration,
    to: Installation,
    stored: Object | None = None,
) -> CreateJob:
    job = _job(owner, step, salt, configuration, to, stored)
    spec, template = job.manifest["spec"], configuration.job_template
    if template.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = template.active_deadline_seconds
    if step is Step.WORK:
        spec |= {
            "completionMode": "Indexed",
            "completions": configuration.shards,
            "parallelism": configuration.shards,
            # Each shard has its own retries: a short outage hits all pods at once.
            "backoffLimitPerIndex": BACKOFF_LIMIT,
            "maxFailedIndexes": 0,
        }
    else:
        spec["backoffLimit"] = BACKOFF_LIMIT
    return job


def _job(
    owner: Owner,
    step: Step,
    salt: str,
    configuration: Configuration,
    to: Installation,
    stored: Object | None = None,
) -> CreateJob:
    whole = stored if stored is not None else document(configuration)
    # Sorted, as the API server gives back what is stored: the same, whenever it is written.
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    file = configuration_file(text.encode())
    labels = _labels(owner, step)
    metadata = {
        "name": owner.job_name(salt),
        "namespace": owner.namespace,
        "labels": labels,
        "ownerReferences": [owner.reference],
    }
    given = Given(names.config_map_name(owner.job_name(salt), file), file)
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "name": given.config_map},
        "immutable": True,
        "data": {CONFIGURATION_KEY: text},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            # Never two pods of one index: the next one starts when the former has really ended.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {
                "metadata": {"labels": labels},
                "spec": pod_spec(step, configuration, to, given) | {"restartPolicy": "Never"},
            },
        },
    }
    return CreateJob(job, config_map)


def _labels(owner: Owner, step: Step) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "chroma-sync",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/managed-by": "chroma-sync",
        names.LABEL_STEP: step.value,
        **owner.labels,
    }


def _failure_rules() -> list[Object]:
    final = [int(ExitCode.CONFIGURATION), int(ExitCode.INPUT)]
    return [
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": final},
        },
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
    ]
