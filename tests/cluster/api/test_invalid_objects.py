"""The real API server refuses bad objects and bad changes, and accepts every sample."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config
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

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[3] / "crds"
SAMPLES = [
    pytest.param(document, id=f"{path.name}-{number}")
    for path in sorted((CRDS / "samples").glob("*.yaml"))
    for number, document in enumerate(yaml.safe_load_all(path.read_text()), start=1)
]
ESTABLISHED_SECONDS = 30.0


class Api:
    """Both kinds in one namespace, with the strict decoding that kubectl asks for."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self._objects = CustomObjectsApi(connection)
        self.namespace = namespace

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        return self._call(self._objects.create_namespaced_custom_object, obj, dry_run=dry_run)

    def replace(self, obj: Object) -> Object:
        name = obj["metadata"]["name"]
        return self._call(self._objects.replace_namespaced_custom_object, obj, name=name)

    def _call(
        self, call: Callable[..., Object], obj: Object, *, dry_run: bool = False, **arguments: Any
    ) -> Object:
        return call(
            group="chromasync.dev",
            version="v1alpha1",
            namespace=self.namespace,
            plural=f"{obj['kind'].lower()}s",
            body=obj,
            field_validation="Strict",
            **({"dry_run": "All"} if dry_run else {}),
            **arguments,
        )


@pytest.fixture(scope="module")
def connection() -> Iterator[client.ApiClient]:
    """The cluster that KUBECONFIG names, with the CRDs of this checkout."""
    with config.new_client_from_config() as connected:
        for path in sorted(CRDS.glob("*.yaml")):
            _install(client.ApiextensionsV1Api(connected), yaml.safe_load(path.read_text()))
        yield connected


def _install(api: client.ApiextensionsV1Api, crd: Object) -> None:
    name = crd["metadata"]["name"]
    try:
        api.create_custom_resource_definition(crd)
    except ApiException as error:
        if error.status != 409:
            raise
        api.patch_custom_resource_definition(name, crd)
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while not _established(api, name):
        assert time.monotonic() < deadline, f"{name} is not established"
        time.sleep(0.1)


def _established(api: client.ApiextensionsV1Api, name: str) -> bool:
    found = api.read_custom_resource_definition(name).status.conditions or []
    return any(c.type == "Established" and c.status == "True" for c in found)


@pytest.fixture
def api(connection: client.ApiClient) -> Iterator[Api]:
    """A namespace of its own for one test."""
    core = client.CoreV1Api(connection)
    name = f"api-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    yield Api(connection, name)
    core.delete_namespace(name)


def refusal(error: ApiException) -> str:
    """What the API server says to a person."""
    assert error.status in (400, 422), error
    return str(json.loads(error.body)["message"])


def names(field: str, message: str) -> bool:
    """Whether the message is about this field, or about one item of it."""
    return re.search(rf'(^|[ "\[]){re.escape(field)}(\[\w+\])?[:"]', message) is not None


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_good(api: Api, base: str) -> None:
    api.create(BASES[base], dry_run=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_invalid_object_is_refused(api: Api, case: Case) -> None:
    with pytest.raises(ApiException) as caught:
        api.create(case.object, dry_run=True)
    message = refusal(caught.value)
    assert names(case.field, message), message
    assert (case.server_says or case.says) in message


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.id)
def test_each_invalid_update_is_refused(api: Api, update: Update) -> None:
    stored = api.create(changed(update.base, update.before))
    after = changed(update.base, update.after)
    after["metadata"] = stored["metadata"]
    with pytest.raises(ApiException) as caught:
        api.replace(after)
    message = refusal(caught.value)
    assert names(update.field, message), message
    assert update.says in message


@pytest.mark.parametrize(("base", "changes"), GOOD_UPDATES)
def test_good_updates_are_taken(api: Api, base: str, changes: dict[str, Any]) -> None:
    stored = api.create(changed(base, {}))
    after = changed(base, changes)
    after["metadata"] = {"name": stored["metadata"]["name"]}
    after["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
    taken = api.replace(after)
    assert taken["metadata"]["generation"] == 2


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_sample_is_accepted(api: Api, sample: Object) -> None:
    taken = api.create(sample, dry_run=True)
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
    taken = api.create(BASES["github"], dry_run=True)
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
        "suspend": False,
        "concurrencyPolicy": "Queue",
        "jobTemplate": {"parallelism": 1},
        "deletionPolicy": "Retain",
    }
    assert taken["status"] == {"observedGeneration": -1}


def test_a_null_stands_for_a_field_that_is_left_out(api: Api) -> None:
    taken = api.create(changed("github", {"spec.databaseName": None, "spec.chroma": None}))
    assert taken["spec"]["databaseName"] == "default_database"
    assert "chroma" not in taken["spec"]


def test_kubectl_shows_the_address_of_each_type(api: Api, connection: client.ApiClient) -> None:
    for base, name in (("github", "a"), ("s3", "b"), ("web", "c")):
        api.create(changed(base, {"metadata.name": name}))
    table, _, _ = connection.call_api(
        f"/apis/chromasync.dev/v1alpha1/namespaces/{api.namespace}/sources",
        "GET",
        header_params={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
        auth_settings=["BearerToken"],
        response_type="object",
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
