"""The spec of a worker's pod, whatever makes the pod: what it runs, may see, and may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.contract import (
    CONFIGURATION,
    PROGRESS_PORT,
    SCRATCH,
    SECRETS,
    SecretKey,
    SecretUse,
    Step,
)
from chroma_sync.api.job_template import amount
from chroma_sync.api.kinds.kind import SecretMount
from chroma_sync.api.meta import Object
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import CONTAINER

CONFIGURATION_KEY: Final = "configuration.json"  # of a ConfigMap
USER: Final = 65532
GRACE_SECONDS: Final = 2
CHECK_SCRATCH: Final = "1Gi"
DEFAULT_SCRATCH: Final = "10Gi"
RUN_RESOURCES: Final[Object] = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"memory": "2Gi"},
}


@dataclass(frozen=True)
class Given:
    """What the worker gets as its configuration: in which ConfigMap it is, and its file's name."""

    config_map: str
    file: str


def pod_spec(step: Step, configuration: Configuration, to: Installation, given: Given) -> Object:
    """The spec of a pod that does a step, without its restart policy."""
    template = configuration.job_template
    secrets = _secrets(configuration, to)
    own_pull_secrets = [reference.name for reference in template.image_pull_secrets]
    pull_secrets = dict.fromkeys([*to.worker_image_pull_secrets, *own_pull_secrets])
    scratch = CHECK_SCRATCH if step is Step.CHECK else template.scratch_size or DEFAULT_SCRATCH
    pod: Object = {
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
            _configuration_volume(given),
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
    given: Given,
    uses: Iterable[SecretUse],
) -> Object:
    return {
        "name": CONTAINER,
        "image": configuration.worker_image or to.worker_image,
        "imagePullPolicy": to.worker_image_pull_policy,
        "args": [step.value],
        "env": [
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
            {"name": "configuration", "mountPath": str(CONFIGURATION), "readOnly": True},
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


def _secrets(configuration: Configuration, to: Installation) -> dict[SecretUse, SecretMount]:
    """The Secrets to mount, each with the keys that a pod may see: so most other Secrets are of no
    use here. The installation's own tokens are for the addresses that it names itself, whatever a
    stored configuration says."""
    chroma, embedding = configuration.chroma, configuration.embedding
    own_chroma = (chroma.url, chroma.token_secret) == (to.chroma.url, to.chroma.token_secret)
    own_tei = embedding.token_secret == to.tei_token_secret and any(
        embedding.url == endpoint.url for endpoint in to.endpoints
    )
    of_chroma = chroma.token_key is not SecretKey.INSTALLATION_TOKEN or own_chroma
    mounts = dict(configuration.origin.secrets())
    if chroma.token_secret and of_chroma:
        mounts[SecretUse.CHROMA] = SecretMount(chroma.token_secret, (chroma.token_key,))
    if embedding.token_secret and own_tei:
        key = SecretKey.INSTALLATION_TOKEN
        mounts[SecretUse.TEI] = SecretMount(embedding.token_secret, (key,))
    return {use: mount for use in SecretUse if (mount := mounts.get(use)) is not None}


def _configuration_volume(given: Given) -> Object:
    items = [{"key": CONFIGURATION_KEY, "path": given.file}]
    return {"name": "configuration", "configMap": {"name": given.config_map, "items": items}}


def _secret_volume(use: SecretUse, mount: SecretMount) -> Object:
    # Optional: the pod starts without it, and the worker itself says what is missing.
    items = [{"key": key.value, "path": key.value} for key in mount.keys]
    return {
        "name": use.value,
        "secret": {"secretName": mount.name, "items": items, "optional": True},
    }
