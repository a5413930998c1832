"""The generated CRDs are fresh, described, bounded and structural."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chroma_sync.api import crd
from chroma_sync.api.meta import VALIDATIONS

ROOT = Path(__file__).parents[3]
SCHEMAS = {
    kind.name: crd.manifest(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for kind in crd.KINDS
}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


EVERY = [(kind, path, node) for kind in SCHEMAS for path, node in nodes(SCHEMAS[kind])]


@pytest.mark.parametrize("folder", ["crds", "charts/chroma-sync/crds"])
def test_they_are_fresh(folder: str, tmp_path: Path) -> None:
    crd.main([str(tmp_path / "new")])
    made = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    stand = {path.name: path.read_text() for path in (ROOT / folder).glob("*.yaml")}
    assert sorted(made) == ["invocations.chromasync.dev.yaml", "sources.chromasync.dev.yaml"]
    assert stand == made, "run `make generate`"
    for text in made.values():
        assert text.startswith("# Generated ")
        assert "make generate" in text.splitlines()[0]


def test_every_field_is_described() -> None:
    own = [(k, p, n) for k, p, n in EVERY if p.startswith((".spec", ".status"))]
    bare = [f"{k}{p}" for k, p, n in own if not p.endswith("[]") and not n.get("description")]
    assert bare == []
    assert all(n["description"].endswith(".") for _, _, n in own if "description" in n)


def test_all_is_bounded() -> None:
    """Without bounds the API server can't tell what a rule costs."""
    for kind, path, node in EVERY:
        where = f"{kind}{path}"
        if not path.startswith((".spec", ".status")):
            continue
        if node.get("type") == "string":
            assert "maxLength" in node or "enum" in node, where
        if node.get("type") == "array":
            assert "maxItems" in node, where
            assert "x-kubernetes-list-type" in node, where
        if node.get("type") == "object" and "additionalProperties" in node:
            assert "maxProperties" in node, where
        if node.get("type") == "integer" and path.startswith(".spec"):
            assert {"minimum", "maximum"} <= node.keys(), where


def test_only_what_a_structural_schema_knows() -> None:
    forbidden = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "const", "title", "definitions"}
    for kind, path, node in EVERY:
        assert not forbidden & node.keys(), f"{kind}{path}"
        assert "type" in node or any(k.startswith("x-kubernetes-") for k in node), f"{kind}{path}"
        assert node.get("default", "") is not None, f"{kind}{path}"


def test_no_default_is_filled_into_an_item_of_a_list() -> None:
    """Argo CD would show it as a difference for ever."""
    assert [f"{k}{p}" for k, p, n in EVERY if "[]" in p and "default" in n] == []


def test_only_free_maps_keep_unknown_fields() -> None:
    keep = [f"{k}{p}" for k, p, n in EVERY if "x-kubernetes-preserve-unknown-fields" in n]
    assert keep == ["Invocation.spec.s3.metadata[]", "Invocation.status.configuration"]


def test_every_rule_has_a_sentence() -> None:
    rules = [(path, rule) for _, path, node in EVERY for rule in node.get(VALIDATIONS, [])]
    assert len(rules) > 60
    for path, rule in rules:
        assert len(rule["message"]) > 20, path
        assert "\n" not in rule["message"], path


def test_names_and_columns() -> None:
    for kind, short in (("Source", "csrc"), ("Invocation", "cinv")):
        text = (ROOT / "crds" / f"{kind.lower()}s.chromasync.dev.yaml").read_text()
        spec = yaml.safe_load(text)["spec"]
        assert spec["names"]["kind"] == kind
        assert spec["names"]["shortNames"] == [short]
        assert spec["names"]["categories"] == ["chroma-sync"]
        [version] = spec["versions"]
        assert version["subresources"] == {"status": {}}
        columns = [c["name"] for c in version["additionalPrinterColumns"] if not c.get("priority")]
        assert columns[-1] == "Age"
        assert "Reason" in columns
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        assert status["default"] == {"observedGeneration": -1}
