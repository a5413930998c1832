"""What of the API no code serves yet, and what of an Invocation does not fit its Source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from chroma_sync.api.invocation import InvocationSpec
from chroma_sync.api.kinds.origin import origin_of, run_of
from chroma_sync.api.kinds.union import KINDS
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
    **{f"spec.{kind.member}.{name}": None for kind in KINDS for name in kind.served},
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
    **{f"spec.{kind.member}.{name}": None for kind in KINDS for name in kind.run_served},
    "spec.allowMassDelete": None,
    "spec.cancel": None,
    "spec.ttlSecondsAfterFinished": None,
}


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
    origin = origin_of(source)
    if invocation.target_collection_name is None and not origin.shares_collection:
        return (
            f"spec.targetCollectionName: is missing: a run over {origin.article} {origin.member} "
            "Source needs it. Name the collection to write to."
        )
    for kind in KINDS:
        if kind.member != origin.member and run_of(invocation, kind) is not None:
            return (
                f"spec.{kind.member}: is for runs over {kind.article} {kind.member} Source, and "
                "this one is not. Leave it out."
            )
    if origin.shares_collection and invocation.target_policy == "Create":
        return (
            f"spec.targetPolicy: is Create, but runs over {origin.article} {origin.member} Source "
            "always update. Leave it out."
        )
    return origin.problem(run_of(invocation, type(origin)))
