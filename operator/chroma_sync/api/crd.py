"""Generates both CRDs from the models: `python -m chroma_sync.api.crd DIRECTORY...`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from chroma_sync.api.invocation import Invocation
from chroma_sync.api.kinds.union import KINDS as SOURCE_KINDS
from chroma_sync.api.meta import CATEGORY, GROUP, VERSION
from chroma_sync.api.source import Source

Schema = dict[str, Any]

HEADER: Final = (
    "# Generated from the models in operator/chroma_sync/api by `make generate`. Do not edit.\n"
)
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
# What pydantic says and a structural schema does not: unknown fields are pruned, or refused by
# the API server's own strict decoding.
_LEFT_OUT: Final = frozenset({"title", "additionalProperties", "$defs"})


@dataclass(frozen=True)
class _Column:
    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def manifest(self) -> Schema:
        return {
            "name": self.name,
            "type": self.type,
            "description": self.description,
            "jsonPath": self.path,
            **({"priority": 1} if self.wide else {}),
        }


@dataclass(frozen=True)
class _Kind:
    model: type[BaseModel]
    plural: str
    short_name: str
    columns: tuple[_Column, ...]

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"


def _of_condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


# Exactly one of these is set.
_MEMBERS = ",".join(f"'{kind.member}'" for kind in SOURCE_KINDS)
_FIELDS = ",".join(f"'{kind.address_field}'" for kind in SOURCE_KINDS)
_ADDRESS = f".spec[{_MEMBERS}][{_FIELDS}]"
_AGE = _Column("Age", ".metadata.creationTimestamp", "How old the object is.", "date")

KINDS: Final = (
    _Kind(
        Source,
        "sources",
        "csrc",
        (
            _Column("Address", _ADDRESS, "The repository, the bucket or the start page."),
            _Column("Ready", _of_condition("Ready", "status"), "Whether the Source is usable."),
            _Column("Reason", _of_condition("Ready", "reason"), "Why."),
            _Column("Database", ".spec.databaseName", "The Chroma database.", wide=True),
            _Column("Model", ".spec.embedding.dense.model", "The dense model.", wide=True),
            _Column("Running", ".status.activeInvocation.name", "The run that goes on.", wide=True),
            _Column("Message", _of_condition("Ready", "message"), "Why, at length.", wide=True),
            _AGE,
        ),
    ),
    _Kind(
        Invocation,
        "invocations",
        "cinv",
        (
            _Column("Source", ".spec.sourceRef.name", "The Source."),
            _Column("Collection", ".spec.targetCollectionName", "The target collection."),
            _Column(
                "Succeeded",
                _of_condition("Succeeded", "status"),
                "Unknown until the run has ended.",
            ),
            _Column("Reason", _of_condition("Succeeded", "reason"), "Why."),
            _Column("Documents", ".status.documents.indexed", "Documents indexed.", "integer"),
            _Column("Chunks", ".status.chunks.written", "Chunks written.", "integer"),
            _Column("Failed", ".status.documents.failed", "Failed documents.", "integer", True),
            _Column("Revision", ".status.revision", "What is read.", wide=True),
            _Column("Message", _of_condition("Succeeded", "message"), "Why, at length.", wide=True),
            _AGE,
        ),
    ),
)


def manifest(kind: _Kind) -> Schema:
    """The CRD of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [c.manifest() for c in kind.columns],
                    "schema": {"openAPIV3Schema": schema(kind.model)},
                }
            ],
        },
    }


def schema(model: type[BaseModel]) -> Schema:
    """The structural schema of a kind."""
    raw = model.model_json_schema(by_alias=True)
    root = _structural(raw, raw["$defs"])
    properties = root["properties"]
    # The API server owns these three; a schema may say no more of them than this.
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"type": "object"}
    properties["status"]["default"] = {"observedGeneration": -1}
    root["required"] = ["spec"]
    return root


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Turn pydantic's JSON schema into a structural one: no references, unions or nulls."""
    if "$ref" in node:
        definition = definitions[node["$ref"].removeprefix("#/$defs/")]
        # What stands beside a reference is said of this use, and wins.
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _structural({**definition, **beside}, definitions)
    if "anyOf" in node:
        beside = {key: value for key, value in node.items() if key != "anyOf"}
        return _structural({**_only(node["anyOf"]), **beside}, definitions)
    result: Schema = {key: node[key] for key in ("description", "type") if key in node}
    result.update((key, value) for key, value in node.items() if key not in _LEFT_OUT)
    if result.get("default", ...) is None:
        del result["default"]
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "properties" in node:
        result["properties"] = {
            name: _structural(value, definitions) for name, value in node["properties"].items()
        }
    elif node.get("type") == "object":
        result.update(_map(node, definitions))
    if "items" in node:
        result["items"] = _without_defaults(_structural(node["items"], definitions))
    return result


def _without_defaults(node: Schema) -> Schema:
    """An item of a list as people wrote it: what the API server would fill in there, Argo CD would
    show as a difference for ever. The models fill it in for themselves."""
    result = {key: value for key, value in node.items() if key != "default"}
    if "properties" in node:
        fields = node["properties"].items()
        result["properties"] = {name: _without_defaults(field) for name, field in fields}
    return result


def _only(branches: Sequence[Schema]) -> Schema:
    """The one branch of a union that is not null."""
    real = [branch for branch in branches if branch.get("type") != "null"]
    if len(real) != 1:
        raise TypeError(f"no structural schema says {branches}")
    return real[0]


def _map(node: Schema, definitions: dict[str, Schema]) -> Schema:
    values = node.get("additionalProperties", True)
    if values is True:
        return {_PRESERVE: True}
    if not values or values == {"$ref": "#/$defs/JsonValue"}:
        return {"additionalProperties": {_PRESERVE: True}}
    return {"additionalProperties": _structural(values, definitions)}


class _Dumper(yaml.SafeDumper):
    """Lists in their keys' indentation, long texts unfolded, no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(kind: _Kind) -> str:
    """The CRD of one kind as YAML; the same models give the same text."""
    text = yaml.dump(manifest(kind), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return f"{HEADER}{text}"


def write(directory: Path) -> list[Path]:
    """Write the CRDs of all kinds into a folder. Returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in KINDS:
        path = directory / f"{kind.crd_name}.yaml"
        path.write_text(render(kind), encoding="utf-8")
        paths.append(path)
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the CRDs into each of the folders named."""
    parser = argparse.ArgumentParser(prog="python -m chroma_sync.api.crd", description=__doc__)
    parser.add_argument("directories", metavar="DIRECTORY", nargs="+", type=Path)
    for directory in parser.parse_args(arguments).directories:
        write(directory)


if __name__ == "__main__":
    main()
