"""The API server that KUBECONFIG names, with the CRDs of this checkout."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client import ApiException

from cluster.api.invalid_objects import Object
from cluster.api.server import Api

CRDS = Path(__file__).parents[3] / "crds"
ESTABLISHED_SECONDS = 30.0


@pytest.fixture(scope="session")
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
        old = api.read_custom_resource_definition(name).metadata.resource_version
        metadata = {**crd["metadata"], "resourceVersion": old}
        api.replace_custom_resource_definition(name, {**crd, "metadata": metadata})
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
