"""What is set and not served is named, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from chroma_sync.api import supported
from chroma_sync.api.invocation import Invocation, InvocationSpec
from chroma_sync.api.source import Source, SourceSpec
from chroma_sync.api.supported import invalid_for_source, not_implemented
from cluster.api.invalid_objects import changed


def spec(base: str, changes: dict[str, Any]) -> SourceSpec | InvocationSpec:
    document = changed(base, changes)
    model = Source if document["kind"] == "Source" else Invocation
    return model.model_validate(document).spec


@pytest.mark.parametrize(
    ("base", "changes", "paths"),
    [
        ("github", {}, []),
        ("github", {"spec.databaseName": "docs", "spec.chroma.url": "http://chroma:8000"}, []),
        ("github", {"spec.embedding.dense.task": {"taskName": "x"}}, []),
        ("github", {"spec.chunking": {"type": "lines", "maxLines": 5}}, []),
        ("github", {"spec.github.includeGlobs": ["*.py"], "spec.github.insecure": True}, []),
        ("github", {"spec.jobTemplate": {"parallelism": 3, "scratchSize": "1Gi"}}, []),
        ("github", {"spec.suspend": True, "spec.concurrencyPolicy": "Queue"}, []),
        ("github", {"spec.deletionPolicy": "Retain", "spec.github.includeVendored": True}, []),
        ("s3", {"spec.s3.insecure": True, "spec.s3.pathPrefix": "a/"}, []),
        (
            "s3",
            {"spec.s3.autoSync": "direct", "spec.s3.queueUrl": "https://sqs.example.com/q"},
            ["spec.s3.autoSync", "spec.s3.queueUrl"],
        ),
        ("web", {"spec.deletionPolicy": "Delete"}, ["spec.web", "spec.deletionPolicy"]),
        ("github", {"spec.embedding.sparse": {}}, ["spec.embedding.sparse"]),
        (
            "github",
            {
                "spec.github.appId": "1",
                "spec.github.credentialsSecretRef": {"name": "app"},
                "spec.github.caSecretRef": {"name": "ca"},
            },
            [],
        ),
        (
            "github",
            {
                "spec.schedule": {"cron": "@daily", "targetCollectionNameTemplate": "docs"},
                "spec.concurrencyPolicy": "Replace",
                "spec.historyLimits": {"failed": 1},
                "spec.jobTemplate.queueName": "gpu",
            },
            [
                "spec.schedule",
                "spec.concurrencyPolicy",
                "spec.historyLimits",
                "spec.jobTemplate.queueName",
            ],
        ),
        ("run", {"spec.cancel": True, "spec.ttlSecondsAfterFinished": 1}, []),
        ("run", {"spec.targetPolicy": "Create", "spec.github": {}}, []),
        ("run", {"spec.github.refIdentifier": {"branch": "main"}}, []),
        ("run", {"spec.github.refIdentifier": {"sha": "0" * 40}}, []),
        ("run", {"spec.targetPolicy": "Update"}, []),
        ("run", {"spec.github.refIdentifier": {"tag": "v1"}}, []),
        ("s3 run", {}, []),
        ("s3 run", {"spec.s3": {"all": True}}, []),
    ],
)
def test_what_is_not_served_is_named(base: str, changes: dict[str, Any], paths: list[str]) -> None:
    assert not_implemented(spec(base, changes)) == paths


@pytest.mark.parametrize(
    ("model", "table"),
    [(SourceSpec, supported._SOURCE), (InvocationSpec, supported._INVOCATION)],
)
def test_the_table_names_fields_that_exist(
    model: type[BaseModel], table: dict[str, frozenset[str] | None]
) -> None:
    for path in table:
        schema = model.model_json_schema(by_alias=True)
        node = schema
        for part in path.split(".")[1:]:
            node = node["properties"][part]
            for branch in [node, *node.get("anyOf", [])]:
                if "$ref" in branch:
                    node = schema["$defs"][branch["$ref"].rpartition("/")[2]]


@pytest.mark.parametrize(
    ("source", "run", "changes", "problem"),
    [
        ("github", "run", {}, None),
        ("web", "run", {}, None),
        ("s3", "s3 run", {}, None),
        ("s3", "s3 run", {"targetCollectionName": "other"}, None),
        ("github", "run", {"targetCollectionName": None}, "spec.targetCollectionName: is missing"),
        ("web", "run", {"targetCollectionName": None}, "spec.targetCollectionName: is missing"),
        ("web", "run", {"github": {}}, "spec.github: is for runs over a github Source"),
        ("s3", "run", {"github": {}}, "spec.github: is for runs over a github Source"),
        ("github", "s3 run", {"targetCollectionName": "shop"}, "spec.s3: is for runs over an s3"),
        ("s3", "run", {}, "spec.s3: is missing"),
        ("s3", "s3 run", {"targetPolicy": "Update"}, None),
        ("s3", "s3 run", {"targetPolicy": "Create"}, "spec.targetPolicy: is Create"),
    ],
)
def test_what_does_not_fit_the_source(
    source: str, run: str, changes: dict[str, Any], problem: str | None
) -> None:
    source_spec = Source.model_validate(changed(source, {})).spec
    document = changed(run, {f"spec.{name}": value for name, value in changes.items()})
    found = invalid_for_source(source_spec, Invocation.model_validate(document).spec)
    assert (found or "").startswith(problem or "")
    assert (found is None) is (problem is None)


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"a": [1, 2], "b": "x", "c": 0.5, "d": True, "k" * 36: 1}, None),
        ({"a": None}, None),  # as if it were left out
        ({"a": [1, "x"]}, "spec.s3.metadata[a]: must be a string"),
        ({"a": [1, True]}, "spec.s3.metadata[a]: must be a string"),
        ({"a": []}, "spec.s3.metadata[a]: must be a string"),
        ({"a": [None]}, "spec.s3.metadata[a]: must be a string"),
        ({"source": "x"}, "spec.s3.metadata[source]: is a key that records have already"),
        ({"page": 1}, "spec.s3.metadata[page]: is a key that records have already"),
        ({"a": 2**63 - 1, "b": -(2**63)}, None),
        ({"a": [1, 2**63]}, "spec.s3.metadata[a]: a number must be finite"),
        ({"a": float("inf")}, "spec.s3.metadata[a]: a number must be finite"),
        ({"a": {"b": 1}}, "spec.s3.metadata[a]: must be a string"),
        ({"a": "x" * 8180}, None),
        ({"a": "ü" * 4091}, "spec.s3.metadata[a]: a value must have at most 8182 bytes"),
        ({"a": [1] * 2728}, "spec.s3.metadata[a]: a value must have at most 8182 bytes"),
        ({"chroma:x": 1}, "spec.s3.metadata[chroma:x]: a key must have"),
        ({"k" * 37: 1}, f"spec.s3.metadata[{'k' * 36}]: a key must have"),
    ],
)
def test_metadata(metadata: dict[str, Any], problem: str | None) -> None:
    source = Source.model_validate(changed("s3", {})).spec
    run = Invocation.model_validate(changed("s3 run", {"spec.s3.metadata": metadata})).spec
    assert (invalid_for_source(source, run) or "").startswith(problem or "")
    assert (invalid_for_source(source, run) is None) is (problem is None)


def test_an_object_outside_the_prefix() -> None:
    source = Source.model_validate(changed("s3", {"spec.s3.pathPrefix": "published/"})).spec
    run = Invocation.model_validate(changed("s3 run", {})).spec
    assert (invalid_for_source(source, run) or "").startswith("spec.s3.objectKey: does not begin")
