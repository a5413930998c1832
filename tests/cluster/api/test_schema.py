"""The operator finds the defaults of the CRDs where the API server has them."""

from __future__ import annotations

import asyncio

import pytest

from chroma_sync.api import crd, stored
from chroma_sync.api.source import Source
from chroma_sync.cluster.client import KubernetesCluster
from chroma_sync.cluster.rest import connect
from cluster.api.invalid_objects import BASES, Object
from cluster.api.server import Api

pytestmark = pytest.mark.cluster


async def read() -> Object:
    cluster = KubernetesCluster(await connect())
    try:
        return await cluster.schema("Source")
    finally:
        await cluster.close()


def test_the_schema_that_the_server_holds_is_that_of_the_model(api: Api) -> None:
    held = asyncio.run(read())
    spec, ours = (s["properties"]["spec"]["properties"] for s in (held, crd.schema(Source)))
    assert spec.keys() == ours.keys()
    assert spec["github"]["properties"]["insecure"]["default"] is False
    assert spec["jobTemplate"]["default"] == {}


def test_what_the_server_fills_in_is_taken_for_its_default(api: Api) -> None:
    """As if this release did not know the field."""
    filled = api.create(BASES["github"])
    spec = filled["spec"]
    held = asyncio.run(read())
    fields = held["properties"]["spec"]["properties"]
    fields["newer"] = fields["jobTemplate"]
    as_newer = {**filled, "spec": {**spec, "newer": spec["jobTemplate"]}}
    assert stored.source(as_newer, held).not_understood == ""
    as_newer["spec"]["newer"] = {**spec["jobTemplate"], "parallelism": 2}
    assert "spec.newer: this release" in stored.source(as_newer, held).not_understood
