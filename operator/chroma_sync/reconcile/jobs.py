"""The manifests of Jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from chroma_sync.api.configuration import Configuration, document
from chroma_sync.api.contract import (
    CONFIGURATION_VARIABLE,
    PROGRESS_PORT,
    SCRATCH,
    SECRETS,
    ExitCode,
    SecretKey,
    SecretUse,
    Step,
)
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.job_template import amount
from chroma_sync.api.meta import API_VERSION, secret_name
from chroma_sync.api.source import Source
from chroma_sync.reconcile import names
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import CONTAINER

Object = dict[str, Any]

USER: Final = 65532
BACKOFF_LIMIT: Final = 6
GRACE_SECONDS: Final = 2
# A check is one or two requests: it is repeated by the operator itself, not by its Job.
CHECK_DEADLINE_SECONDS: Final = 120
# Only a safety net: the operator deletes finished Jobs itself.
CHECK_TTL_SECONDS: Final = 3_600
LABEL_OF_OWNER: Final = {
    "Source": names.LABEL_SOURCE_UID,
    "Invocation": names.LABEL_INVOCATION_UID,
}
CHECK_SCRATCH: Final = "1Gi"
DEFAULT_SCRATCH: Final = "10Gi"
RUN_RESOURCES: Final[Object] = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"memory": "2Gi"},
}


@dataclass(frozen=True)
class Owner:
    """The object that a Job belongs to and goes with. `source` names the Source behind it."""

    kind: Literal["Source", "Invocation"]
    namespace: str
    name: str
    uid: str
    source: str

    @classmethod
    def of(cls, obj: Source | Invocation) -> Self:
        metadata = obj.metadata
        source = metadata.name if isinstance(obj, Source) else obj.spec.source_ref.name
        return cls(obj.kind, metadata.namespace, metadata.name, metadata.uid or "", source)

    def job_name(self, task: str) -> str:
        """The name of the Job for one of the owner's tasks, or for one attempt at it."""
        return names.job_name(self.name, self.uid, task)


def check_job(owner: Owner, attempt: str, configuration: Configuration, to: Installation) -> Object:
    """The Job of one check of a Source. `attempt` tells it from the Source's other checks."""
    job = _job(owner, Step.CHECK, attempt, configuration, to)
    job["spec"] |= {
        "backoffLimit": 0,
        "activeDeadlineSeconds": CHECK_DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": CHECK_TTL_SECONDS,
    }
    return job


def step_job(
    owner: Owner,
    step: Step,
    configuration: Configuration,
    to: Installation,
    stored: Object | None = None,
) -> Object:
    """The Job of one step of a run. `work` has one pod for each shard. `stored` is what the
    configuration was read from: the worker gets all of it, as it stands."""
    return _step_job(owner, step, step.value, configuration, to, stored)


def trial_job(owner: Owner, attempt: str, configuration: Configuration, to: Installation) -> Object:
    """The Job whose pods do the work of a run, to ask the API server whether it would take it.
    `attempt` tells it from others that were asked for."""
    step = Step.RUN if configuration.job_template.parallelism == 1 else Step.WORK
    return _step_job(owner, step, f"trial/{attempt}", configuration, to)


def _step_job(
    owner: Owner,
    step: Step,
    salt: str,
    configuration: Configuration,
    to: Installation,
    stored: Object | None = None,
) -> Object:
    job = _job(owner, step, salt, configuration, to, stored)
    template = configuration.job_template
    if template.active_deadline_seconds is not None:
        job["spec"]["activeDeadlineSeconds"] = template.active_deadline_seconds
    if step is Step.WORK:
        job["spec"] |= {
            "completionMode": "Indexed",
            "completions": template.parallelism,
            "parallelism": template.parallelism,
            # Each shard has its own retries: a short outage hits all pods at once.
            "backoffLimitPerIndex": BACKOFF_LIMIT,
            "maxFailedIndexes": 0,
        }
    else:
        job["spec"]["backoffLimit"] = BACKOFF_LIMIT
    return job


def _job(
    owner: Owner,
    step: Step,
    salt: str,
    configuration: Configuration,
    to: Installation,
    stored: Object | None = None,
) -> Object:
    given = stored if stored is not None else document(configuration)
    labels = _labels(owner, step)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": owner.job_name(salt),
            "namespace": owner.namespace,
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": owner.kind,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                    # A foreground deletion of the owner waits for the pods.
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            # Never two pods of one index: the next one starts when the former has really ended.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(step, configuration, to, given),
            },
        },
    }


def _labels(owner: Owner, step: Step) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "chroma-sync",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/managed-by": "chroma-sync",
        names.LABEL_SOURCE: names.label_value(owner.source),
        names.LABEL_STEP: step.value,
        LABEL_OF_OWNER[owner.kind]: owner.uid,
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


def _pod(step: Step, configuration: Configuration, to: Installation, given: Object) -> Object:
    template = configuration.job_template
    secrets = _secrets(configuration, to)
    own_pull_secrets = [reference.name for reference in template.image_pull_secrets]
    pull_secrets = dict.fromkeys([*to.worker_image_pull_secrets, *own_pull_secrets])
    scratch = CHECK_SCRATCH if step is Step.CHECK else template.scratch_size or DEFAULT_SCRATCH
    pod: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(step, configuration, to, given, secrets)],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": scratch}},
            *[_secret_volume(use, mount) for use, mount in secrets.items()],
        ],
    }
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    if template.service_account_name:
        pod["serviceAccountName"] = template.service_account_name
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if template.tolerations:
        pod["tolerations"] = [
            t.model_dump(mode="json", by_alias=True, exclude_none=True)
            for t in template.tolerations
        ]
    return pod


def _container(
    step: Step,
    configuration: Configuration,
    to: Installation,
    given: Object,
    uses: Iterable[SecretUse],
) -> Object:
    return {
        "name": CONTAINER,
        "image": configuration.worker_image or to.worker_image,
        "imagePullPolicy": to.worker_image_pull_policy,
        "args": [step.value],
        "env": [
            {
                "name": CONFIGURATION_VARIABLE,
                "value": json.dumps(given, ensure_ascii=False, separators=(",", ":")),
            },
            {"name": "HOME", "value": str(SCRATCH)},
            {"name": "TMPDIR", "value": str(SCRATCH)},
        ],
        "ports": [{"name": "progress", "containerPort": PROGRESS_PORT}],
        "resources": _resources(step, configuration, to),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": "scratch", "mountPath": str(SCRATCH)},
            *[
                {"name": use.value, "mountPath": str(SECRETS / use.value), "readOnly": True}
                for use in uses
            ],
        ],
    }


def _resources(step: Step, configuration: Configuration, to: Installation) -> Object:
    own = to.check_resources if step is Step.CHECK else configuration.job_template.resources
    if own is None:
        return RUN_RESOURCES
    resources: Object = own.model_dump(mode="json", by_alias=True, exclude_none=True)
    if step is not Step.CHECK and "memory" not in own.limits:
        # A worker fits itself to its limit: it is never without one.
        limits = [RUN_RESOURCES["limits"]["memory"], own.requests.get("memory", 0)]
        resources["limits"] = {**own.limits, "memory": max(limits, key=amount)}
    return resources


def _secrets(
    configuration: Configuration, to: Installation
) -> dict[SecretUse, tuple[str, Sequence[SecretKey]]]:
    """The Secrets to mount, each with the keys that a pod may see: so most other Secrets are of no
    use here. The installation's own tokens are for the addresses that it names itself, whatever a
    stored configuration says."""
    github, chroma, embedding = configuration.github, configuration.chroma, configuration.embedding
    own_chroma = (chroma.url, chroma.token_secret) == (to.chroma.url, to.chroma.token_secret)
    own_tei = embedding.token_secret == to.tei_token_secret and any(
        embedding.url == endpoint.url for endpoint in to.endpoints
    )
    of_chroma = chroma.token_key is not SecretKey.INSTALLATION_TOKEN or own_chroma
    login = (SecretKey.PRIVATE_KEY,) if github.app_id else (SecretKey.TOKEN, SecretKey.USERNAME)
    wanted = {
        SecretUse.CHROMA: (chroma.token_secret if of_chroma else None, (chroma.token_key,)),
        SecretUse.TEI: (
            embedding.token_secret if own_tei else None,
            (SecretKey.INSTALLATION_TOKEN,),
        ),
        SecretUse.GIT: (secret_name(github.credentials_secret_ref), login),
        SecretUse.GIT_CA: (secret_name(github.ca_secret_ref), (SecretKey.CA,)),
    }
    return {use: (name, keys) for use, (name, keys) in wanted.items() if name}


def _secret_volume(use: SecretUse, mount: tuple[str, Sequence[SecretKey]]) -> Object:
    # Optional: the pod starts without it, and the worker itself says what is missing.
    name, keys = mount
    items = [{"key": key.value, "path": key.value} for key in keys]
    return {
        "name": use.value,
        "secret": {"secretName": name, "items": items, "optional": True},
    }
