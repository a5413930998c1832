"""What of the API no code serves yet, and what of an Invocation does not fit its Source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from chroma_sync.api.invocation import InvocationSpec
from chroma_sync.api.meta import ApiModel
from chroma_sync.api.source import SourceSpec

# The fields that code serves, each with all below it; a set of values where only these are.
# A field that is not here may stand at its default only.
_Served = Mapping[str, frozenset[str] | None]
_SOURCE: Final[_Served] = {
    "spec.databaseName": None,
    "spec.chroma": None,
    "spec.embedding.dense": None,
    "spec.chunking": None,
    "spec.github.repository": None,
    "spec.github.baseUrl": None,
    "spec.github.appId": None,
    "spec.github.credentialsSecretRef": None,
    "spec.github.caSecretRef": None,
    "spec.github.insecure": None,
    "spec.github.includeGlobs": None,
    "spec.github.excludeGlobs": None,
    "spec.github.maxFileSizeBytes": None,
    "spec.github.includeGenerated": None,
    "spec.github.includeVendored": None,
    "spec.maxDeletePercent": None,
    "spec.suspend": None,
    "spec.jobTemplate.parallelism": None,
    "spec.jobTemplate.resources": None,
    "spec.jobTemplate.scratchSize": None,
    "spec.jobTemplate.nodeSelector": None,
    "spec.jobTemplate.tolerations": None,
    "spec.jobTemplate.serviceAccountName": None,
    "spec.jobTemplate.imagePullSecrets": None,
    "spec.jobTemplate.activeDeadlineSeconds": None,
    "spec.jobTemplate.startTimeoutSeconds": None,
}
_INVOCATION: Final[_Served] = {
    "spec.sourceRef": None,
    "spec.targetCollectionName": None,
    "spec.targetPolicy": None,
    "spec.github.refIdentifier": None,
    "spec.allowMassDelete": None,
    "spec.cancel": None,
    "spec.ttlSecondsAfterFinished": None,
}

_KEY_BYTES_MAX: Final = 36
_RESERVED: Final = ("chroma_", "chroma:")


def not_implemented(spec: SourceSpec | InvocationSpec) -> list[str]:
    """The paths of all fields that are set and that no code serves yet."""
    return list(_unserved(spec, _SOURCE if isinstance(spec, SourceSpec) else _INVOCATION, "spec"))


def _unserved(model: ApiModel, served: _Served, prefix: str) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), f"{prefix}.{field.alias}"
        if path in served:
            values = served[path]
            if values is not None and value is not None and value not in values:
                yield path
        elif isinstance(value, ApiModel) and any(key.startswith(f"{path}.") for key in served):
            yield from _unserved(value, served, path)
        elif value != field.get_default(call_default_factory=True):
            yield path


def invalid_for_source(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    """The first thing that keeps an Invocation from running over its Source, and what to do; None
    when it fits."""
    return next((problem for check in _CHECKS if (problem := check(source, invocation))), None)


def _target(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    if source.s3 is not None or invocation.target_collection_name is not None:
        return None
    return (
        "spec.targetCollectionName: is missing: a run over a github or web Source needs it. "
        "Name the collection to write to."
    )


def _github(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    if invocation.github is None or source.github is not None:
        return None
    return "spec.github: is for runs over a github Source, and this one is not. Leave it out."


def _s3(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    if source.s3 is None:
        if invocation.s3 is None:
            return None
        return "spec.s3: is for runs over an s3 Source, and this one is not. Leave it out."
    if invocation.s3 is None:
        return "spec.s3: is missing: a run over an s3 Source needs it. Set objectKey or all: true."
    return None


def _policy(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    if source.s3 is None or invocation.target_policy != "Create":
        return None
    return "spec.targetPolicy: is Create, but runs over an s3 Source always update. Leave it out."


def _prefix(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    if source.s3 is None or invocation.s3 is None or invocation.s3.object_key is None:
        return None
    if invocation.s3.object_key.startswith(source.s3.path_prefix or ""):
        return None
    return (
        "spec.s3.objectKey: does not begin with the pathPrefix of the Source. Give the whole key."
    )


def _metadata(source: SourceSpec, invocation: InvocationSpec) -> str | None:
    for key, value in ((invocation.s3.metadata if invocation.s3 else None) or {}).items():
        where = f"spec.s3.metadata[{key[:_KEY_BYTES_MAX]}]"
        if not 0 < len(key.encode()) <= _KEY_BYTES_MAX or key.startswith(_RESERVED):
            return (
                f"{where}: a key must have 1 to {_KEY_BYTES_MAX} bytes and must not begin with "
                f"{' or '.join(_RESERVED)}. Choose another one."
            )
        values = value if isinstance(value, list) else [value]
        types = {type(item) for item in values}
        if len(types) != 1 or not types <= {str, int, float, bool}:
            return (
                f"{where}: must be a string, number or boolean, or a list of values of one of "
                "these types. Change or remove it."
            )
    return None


_CHECKS: Final[tuple[Callable[[SourceSpec, InvocationSpec], str | None], ...]] = (
    _target,
    _github,
    _s3,
    _policy,
    _prefix,
    _metadata,
)
