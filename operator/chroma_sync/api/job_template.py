"""What a Source may say of the Jobs that work for it: a closed set of fields."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, SkipValidation, WithJsonSchema

from chroma_sync.api.meta import (
    ApiModel,
    ObjectName,
    Rule,
    SecretReference,
    Unique,
    ValueRule,
    shape,
)

# Source: k8s.io/apimachinery/pkg/api/resource, of which CEL's isQuantity takes more ("E", "+."). No
# sign, for no resource is negative.
_QUANTITY: Final = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?"
_QUANTITY_RE: Final = re.compile(_QUANTITY)
_INT64_MAX: Final = 2**63 - 1
_QUANTITY_MAX: Final = 32


def _is_quantity(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    if isinstance(value, int) and value > _INT64_MAX:
        return False
    text = str(value)
    return len(text) <= _QUANTITY_MAX and bool(_QUANTITY_RE.fullmatch(text))


_PREFIXES: Final = {"n": -3, "u": -2, "m": -1, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def amount(quantity: int | str) -> Decimal:
    """What a quantity amounts to. Raises ValueError when it is none."""
    match = _QUANTITY_RE.fullmatch(str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix.endswith("i"):
        return number * Decimal(2 ** (10 * "KMGTPE".index(suffix[0]) + 10))
    if suffix in _PREFIXES:
        return number * Decimal(1000) ** _PREFIXES[suffix]
    return number.scaleb(int(suffix[1:])) if suffix else number


Quantity = Annotated[
    SkipValidation[int | str],
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": _QUANTITY_MAX}),
    ValueRule(
        "must be a quantity as Kubernetes writes them, such as 500m, 2 or 4Gi",
        f"string(self).matches(r'^(?:{_QUANTITY})$')",
        _is_quantity,
    ),
]

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
_KEY_MAX: Final = 317  # a domain of 253, a slash, and a name of 63
_LABEL_KEY = rf"({_DOMAIN}/)?{_NAME}"
LabelKey = Annotated[
    str,
    Field(max_length=_KEY_MAX),
    shape(_LABEL_KEY, "must be the key of a label, such as kubernetes.io/arch"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    shape(rf"({_NAME})?", "must be the value of a label: at most 63 letters, digits, '-_.'"),
]

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


_STANDARD: Final = ("cpu", "memory", "ephemeral-storage")


def _standard_resources(field: str) -> Rule:
    def check(resources: Resources) -> bool:
        return all(
            len(key) <= _KEY_MAX and ("/" in key or key in _STANDARD)
            for key in getattr(resources, field)
        )

    return Rule(
        field,
        f"{field} may name {', '.join(_STANDARD)} and resources of a domain such as nvidia.com/gpu",
        f"!has(self.{field}) || self.{field}.all(k, "
        f"size(k) <= {_KEY_MAX} && (k.contains('/') || k in {list(_STANDARD)}))",
        check,
    )


class Resources(ApiModel):
    """What a worker's container asks for and may use at most."""

    requests: dict[str, Quantity] = Field(
        default_factory=dict,
        max_length=8,
        description="What the node must have free. Example: {cpu: '1', memory: 2Gi}.",
    )
    limits: dict[str, Quantity] = Field(
        default_factory=dict,
        max_length=8,
        description="What the container may use at most. Example: {memory: 4Gi}.",
    )

    rules: ClassVar = (_standard_resources("requests"), _standard_resources("limits"))


class Toleration(ApiModel):
    """A taint of nodes that does not keep the workers away."""

    key: LabelKey | None = Field(
        default=None,
        description="Key of the taint. Left out, with operator Exists: every taint. Example: "
        "nvidia.com/gpu.",
    )
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal",
        description="Equal: the taint's value must be the one named here. Exists: any will do. "
        "Left out: Equal.",
    )
    value: LabelValue | None = Field(
        default=None, description="Value of the taint, with operator Equal. Example: present."
    )
    effect: Effect | None = Field(
        default=None, description="Effect of the taint. Left out: all. Example: NoSchedule."
    )
    toleration_seconds: int | None = Field(
        default=None,
        ge=0,
        le=2_147_483_647,
        description="How many seconds a running pod stays, with effect NoExecute. Left out: for "
        "ever.",
    )

    rules: ClassVar = (
        Rule(
            "key",
            "key must be set unless operator is Exists",
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            lambda t: t.key is not None or t.operator == "Exists",
        ),
        Rule(
            "value",
            "value must not be set when operator is Exists",
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            lambda t: t.value is None or t.operator == "Equal",
        ),
        Rule(
            "tolerationSeconds",
            "tolerationSeconds needs effect: NoExecute",
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            lambda t: t.toleration_seconds is None or t.effect == "NoExecute",
        ),
    )


class JobTemplate(ApiModel):
    """How the Jobs of a Source are run. Nothing else of a Job can be set."""

    parallelism: int = Field(
        default=1,
        ge=1,
        le=100,
        description="How many pods share the documents of a run, 1 to 100. Default: 1.",
    )
    resources: Resources | None = Field(
        default=None,
        description="Requests and limits of each worker. Left out: the operator's defaults.",
    )
    scratch_size: Quantity | None = Field(
        default=None,
        description="How much a worker may write to its scratch volume. Left out: the operator's "
        "default. Example: 20Gi.",
    )
    node_selector: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Labels that a node must have. Example: {kubernetes.io/arch: amd64}.",
    )
    tolerations: list[Toleration] = Field(
        default_factory=list,
        max_length=16,
        description="Taints of nodes that do not keep the workers away.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="Service account of the pods, for clouds that give access by it. Left out: the "
        "namespace's default. The pods never hold its Kubernetes token.",
    )
    image_pull_secrets: Annotated[list[SecretReference], Unique("name")] = Field(
        default_factory=list,
        max_length=16,
        description="Secrets to pull the worker's image with, after the operator's own. Example: "
        "[{name: registry}].",
    )
    queue_name: ObjectName | None = Field(
        default=None, description="A LocalQueue of Kueue that admits the Jobs. Example: gpu."
    )
    active_deadline_seconds: int | None = Field(
        default=None,
        ge=1,
        le=2_147_483_647,
        description="How many seconds each Job of a run may take. Left out: no limit. Example: "
        "7200.",
    )

    start_timeout_seconds: int = Field(
        default=3600,
        ge=60,
        le=86_400,
        description="A run fails when for so many seconds its Job is refused or none of its pods "
        "starts, 60 to 86400. Time in a queue is not counted. Default: 3600.",
    )

    rules: ClassVar = (
        Rule(
            "nodeSelector",
            "the keys of nodeSelector must be keys of labels, such as kubernetes.io/arch",
            "!has(self.nodeSelector) || self.nodeSelector.all(k, "
            f"size(k) <= {_KEY_MAX} && k.matches(r'^{_LABEL_KEY}$'))",
            lambda t: all(
                len(k) <= _KEY_MAX and re.fullmatch(_LABEL_KEY, k) for k in t.node_selector
            ),
        ),
    )
