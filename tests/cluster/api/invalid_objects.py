"""Objects that both the API server and the laptop refuse; `invalid_objects.yaml` is the table."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

Object = dict[str, Any]

_TABLE: Final[Object] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)

BASES: Final[Mapping[str, Object]] = {
    name: {
        "apiVersion": "chromasync.dev/v1alpha1",
        "kind": base["kind"],
        "metadata": {"name": "sample"},
        "spec": base["spec"],
    }
    for name, base in _TABLE["bases"].items()
}


def changed(base: str, changes: Mapping[str, Any], gone: Sequence[str] = ()) -> Object:
    """A base object with the values at some paths replaced, and others taken away."""
    result = copy.deepcopy(BASES[base])
    for path, value in changes.items():
        place, last = _place(result, path)
        place[last] = copy.deepcopy(value)
    for path in gone:
        place, last = _place(result, path)
        del place[last]
    return result


def _place(obj: Object, path: str) -> tuple[Object, str]:
    *parents, last = path.split(".")
    for parent in parents:
        obj = obj.setdefault(parent, {})
    return obj, last


@dataclass(frozen=True)
class Case:
    """An invalid object. Both messages hold `field`, the laptop's `says`, the server's `server`."""

    id: str
    base: str
    field: str
    says: str
    server: str = ""
    set: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    remove: Sequence[str] = ()

    @property
    def object(self) -> Object:
        return changed(self.base, self.set, self.remove)

    @property
    def server_says(self) -> str:
        return self.server or self.says


@dataclass(frozen=True)
class Update(Case):
    """A change that only the API server sees: from the base with `before` set, to `object`."""

    before: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def stored(self) -> Object:
        return changed(self.base, self.before)


# Values that are too long to stand in the table.
_LONG: Final = (
    Case(
        "prompt too long",
        "github",
        "spec.embedding.dense.task.queryPrompt",
        "at most 2048",
        "more than 2048",
        {"spec.embedding.dense.task": {"taskName": "x", "queryPrompt": "x" * 2049}},
    ),
    Case(
        "too many globs",
        "github",
        "spec.github.excludeGlobs",
        "at most 200 items",
        set={"spec.github.excludeGlobs": [f"{n}/" for n in range(201)]},
    ),
    Case(
        "a glob of too many bytes",
        "github",
        "spec.github.includeGlobs[1]",
        "must have at most 512 bytes",
        set={"spec.github.includeGlobs": ["*", "ü" * 257]},
    ),
    Case(
        "collection name too long",
        "run",
        "spec.targetCollectionName",
        "at most 128",
        "more than 128",
        {"spec.targetCollectionName": "x" * 129},
    ),
    Case(
        "id of too many bytes",
        "s3 run",
        "spec.s3.customId",
        "must have at most 120 bytes",
        set={"spec.s3.customId": "ü" * 61},
    ),
    Case(
        "object key of too many bytes",
        "s3 run",
        "spec.s3.objectKey",
        "must have at most 1024 bytes",
        set={"spec.s3.objectKey": "ü" * 513},
    ),
    Case(
        "path prefix of too many bytes",
        "s3",
        "spec.s3.pathPrefix",
        "must have at most 1024 bytes",
        set={"spec.s3.pathPrefix": "ü" * 513},
    ),
    Case(
        "too many metadata keys",
        "s3 run",
        "spec.s3.metadata",
        "at most 12 items",
        set={"spec.s3.metadata": {f"key{n}": n for n in range(13)}},
    ),
)

CASES: Final = (*(Case(**case) for case in _TABLE["cases"]), *_LONG)
UPDATES: Final = tuple(Update(**update) for update in _TABLE["updates"])
GOOD_UPDATES: Final = tuple((good["base"], good["set"]) for good in _TABLE["goodUpdates"])
