"""The laptop refuses what the API server refuses, and names the same field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chroma_sync.api import crd
from chroma_sync.api.load import InvalidObject, load_objects
from chroma_sync.api.meta import VALIDATIONS
from cluster.api.invalid_objects import BASES, CASES, UPDATES, Case


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_good(base: str) -> None:
    [loaded] = load_objects(yaml.safe_dump(BASES[base]), "file.yaml")
    assert loaded.metadata.name == "sample"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_invalid_object_is_refused(case: Case) -> None:
    subject = f"{case.object['kind']}/{case.object['metadata']['name']}"
    with pytest.raises(InvalidObject) as caught:
        load_objects(yaml.safe_dump(case.object), "file.yaml")
    [problem] = caught.value.problems
    start, field, sentence = problem.split(": ", 2)
    # A rule for the values of a map names the key, too.
    assert (start, field.removesuffix(".memory")) == (subject, case.field)
    assert case.says in sentence
    assert str(caught.value) == f"file.yaml: {problem}"


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 45
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_rule_has_an_object_that_breaks_it() -> None:
    """So that the API server's half of each rule and the laptop's are known to say the same."""
    said = [case.says for case in CASES] + [update.says for update in UPDATES]
    untested = {
        rule["message"]
        for kind in crd.KINDS
        for rule in _rules(crd.manifest(kind))
        if not any(text in rule["message"] for text in said)
    }
    assert untested == set()


def _rules(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, dict):
        yield from node.get(VALIDATIONS, [])
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            yield from _rules(inner)
