"""The largest objects that the API takes still fit where they have to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from chroma_sync.api.configuration import Configuration, document, read
from chroma_sync.api.contract import REASON_MAX
from chroma_sync.api.invocation import InvocationSpec, InvocationStatus
from chroma_sync.api.kinds.union import KINDS
from chroma_sync.api.meta import VALIDATIONS
from chroma_sync.api.record_keys import VALUE_BYTES_MAX
from unit.reconcile.build import begun

Schema = dict[str, Any]

# Source: MaxSecretSize in k8s.io/kubernetes/pkg/apis/core, which is a ConfigMap's limit, too.
CONFIG_MAP_MAX = 1_048_576
# Source: --max-request-bytes of etcd.
OBJECT_MAX = 1_572_864
# Metadata of an object and its managed fields, which name all fields of its status.
METADATA = 65_536
# Characters of the keys of maps, which rules and code bound. Others are the keys of labels.
KEYS = {"metadata": 36, "skipped": REASON_MAX}
KEY = 317


@dataclass(frozen=True)
class Largest:
    """Bounds of the largest JSON text of a model, from the bounds of its fields alone: `character`
    is what one takes of text that no rule bounds further. Of the kinds of source the one counts
    that takes most."""

    models: dict[str, Schema]
    character: int

    def of(self, schema: Schema, key: int = KEY) -> int:
        if not schema:
            return VALUE_BYTES_MAX
        if "$ref" in schema:
            return self.of(self.models[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return max(self.of(choice, key) for choice in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return max(len(str(v)) + 2 for v in schema.get("enum", [schema.get("const")]))
        match schema.get("type"):
            case "array":
                return int(schema["maxItems"]) * (self.of(schema["items"]) + 1) + 2
            case "object" if "properties" in schema:
                return self.of_fields(schema["properties"])
            case "object":
                each = self.character * key + 4 + self.of(schema["additionalProperties"])
                return int(schema["maxProperties"]) * each + 2
            case "integer" | "boolean" | "null":
                return 20
        return self.of_text(schema)

    def of_fields(self, fields: dict[str, Schema]) -> int:
        sizes = {n: len(n) + 4 + self.of(f, KEYS.get(n, KEY)) for n, f in fields.items()}
        kinds = [sizes.pop(kind.member) for kind in KINDS if kind.member in sizes]
        return 2 + sum(sizes.values()) + max(kinds, default=0)

    def of_text(self, schema: Schema) -> int:
        """Where no control character may be, one byte becomes two at most."""
        characters = int(schema["maxLength"])
        rules = [rule["rule"] for rule in schema.get(VALIDATIONS, [])]
        limits = [int(n) for r in rules for n in re.findall(r"size\(bytes\(self\)\) <= (\d+)", r)]
        shapes = [s for r in rules for s in re.findall(r"^self\.matches\(r'(\^.*\$)'\)$", r)]
        if all(re.fullmatch(shape, "\x01" * n) for shape in shapes for n in (1, 3, 8)):
            return self.character * characters + 2
        return max(2 * characters, min([4 * characters, *limits])) + 2


def largest(model: type[BaseModel], *without: str, character: int = 6) -> int:
    """The most bytes of a model as JSON. A control character takes six."""
    schema = model.model_json_schema()
    fields = {name: f for name, f in schema["properties"].items() if name not in without}
    return Largest(schema.get("$defs", {}), character).of_fields(fields)


def test_the_largest_configuration_fits_into_a_config_map() -> None:
    assert 400 * 512 < largest(Configuration) < CONFIG_MAP_MAX


def test_the_largest_invocation_fits_into_etcd() -> None:
    # Control characters are made visible in all that a status tells.
    status = largest(InvocationStatus, "configuration", character=4)
    stored = largest(Configuration, "seals")
    assert largest(InvocationSpec) + stored + status + METADATA < OBJECT_MAX


@pytest.mark.parametrize("characters", ["a", "\\", '"', "é", "🄰"])
def test_what_is_as_large_as_it_may_be_is_stored_and_read(characters: str) -> None:
    globs = [_padded(f"{n:03}", characters) for n in range(200)]
    github = {"repository": "acme/docs", "includeGlobs": globs, "excludeGlobs": globs}
    _, run, _ = begun(github=github)
    stored = run.status.configuration
    assert stored is not None
    found = read(stored)
    assert found.github is not None
    assert found.github.include_globs == globs
    assert document(found) == stored
    assert len(found.model_dump_json().encode()) <= largest(Configuration)


def _padded(text: str, characters: str) -> str:
    room = 512 - len(text.encode())
    return text + characters * (room // len(characters.encode()))
