"""The real API server refuses bad objects and bad changes, and accepts every sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes.client import ApiException, CustomObjectsApi

from cluster.api.invalid_objects import (
    BASES,
    CASES,
    GOOD_UPDATES,
    UPDATES,
    Case,
    Object,
    Update,
    changed,
)
from cluster.api.server import Api, refusal

# All share the CRDs, which one of them installs.
pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[3] / "crds"
SAMPLES = [
    pytest.param(document, id=f"{path.name}-{number}")
    for path in sorted((CRDS / "samples").glob("*.yaml"))
    for number, document in enumerate(yaml.safe_load_all(path.read_text()), start=1)
]


def names(field: str, message: str) -> bool:
    """Whether the message is about this field, or about one item of it."""
    return re.search(rf'(^|[ "\[]){re.escape(field)}(\[\w+\])?[:"]', message) is not None


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_good(api: Api, base: str) -> None:
    api.create(BASES[base])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_invalid_object_is_refused(api: Api, case: Case) -> None:
    with pytest.raises(ApiException) as caught:
        api.create(case.object)
    message = refusal(caught.value)
    assert names(case.field, message), message
    assert case.server_says in message


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.id)
def test_each_invalid_update_is_refused(api: Api, update: Update) -> None:
    api.apply(update.stored)
    with pytest.raises(ApiException) as caught:
        api.apply(update.object)
    message = refusal(caught.value)
    assert names(update.field, message), message
    assert update.says in message


@pytest.mark.parametrize(("base", "changes"), GOOD_UPDATES)
def test_good_updates_are_taken(api: Api, base: str, changes: dict[str, Any]) -> None:
    api.apply(changed(base, {}))
    assert api.apply(changed(base, changes))["metadata"]["generation"] == 2


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_sample_is_accepted(api: Api, sample: Object) -> None:
    taken = api.create(sample)
    assert taken["status"]["observedGeneration"] == -1
    for path, value in _leaves(sample["spec"]):
        assert _at(taken["spec"], path) == value, path
    spec = taken["spec"]
    if sample["kind"] == "Invocation":
        assert spec["cancel"] is sample["spec"].get("cancel", False)
        return
    assert {"databaseName", "embedding", "chunking", "jobTemplate"} <= spec.keys()
    assert spec["embedding"]["dense"]["model"]
    assert spec["chunking"]["maxSizeBytes"] in (4096, 2048)
    assert spec["jobTemplate"]["parallelism"] >= 1
    assert spec["deletionPolicy"] in ("Retain", "Delete")


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        yield path, value
    for key, inner in items:
        yield from _leaves(inner, (*path, key))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def test_defaults_are_filled_in(api: Api) -> None:
    taken = api.create(BASES["github"])
    assert taken["spec"] == {
        "databaseName": "default_database",
        "embedding": {"dense": {"model": "Qwen/Qwen3-Embedding-0.6B"}},
        "chunking": {"type": "tree_sitter", "maxSizeBytes": 4096},
        "github": {
            "repository": "acme/shop",
            "baseUrl": "https://github.com",
            "insecure": False,
            "includeGlobs": ["*"],
            "maxFileSizeBytes": 1048576,
            "includeGenerated": False,
            "includeVendored": False,
        },
        "maxDeletePercent": 50,
        "suspend": False,
        "concurrencyPolicy": "Queue",
        "jobTemplate": {"parallelism": 1, "startTimeoutSeconds": 3600},
        "deletionPolicy": "Retain",
    }
    assert taken["status"] == {"observedGeneration": -1}


def test_a_null_stands_for_a_field_that_is_left_out(api: Api) -> None:
    taken = api.create(changed("github", {"spec.databaseName": None, "spec.chroma": None}))
    assert taken["spec"]["databaseName"] == "default_database"
    assert "chroma" not in taken["spec"]


def test_kubectl_shows_the_address_of_each_type(api: Api, connection: client.ApiClient) -> None:
    for base, name in (("github", "a"), ("s3", "b"), ("web", "c")):
        api.apply(changed(base, {"metadata.name": name}))
    table = CustomObjectsApi(connection).list_namespaced_custom_object(
        *("chromasync.dev", "v1alpha1", api.namespace, "sources"),
        _headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
    )
    columns = [column["name"] for column in table["columnDefinitions"]]
    address = columns.index("Address")
    assert [row["cells"][address] for row in table["rows"]] == [
        "acme/shop",
        "papers",
        "https://docs.example.com/",
    ]


def test_kubectl_knows_the_short_names(connection: client.ApiClient) -> None:
    found = CustomObjectsApi(connection).get_api_resources("chromasync.dev", "v1alpha1").resources
    named = {r.name: (r.short_names, r.categories) for r in found if "/" not in r.name}
    assert named == {
        "sources": (["csrc"], ["chroma-sync"]),
        "invocations": (["cinv"], ["chroma-sync"]),
    }
