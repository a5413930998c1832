"""A kind of source is one folder: one that only tests know, on a real Kubernetes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from cluster.kit import installation
from cluster.kit.world import World, unique
from fourth_kind.kit import SOURCE, of_fourth_kind, operator_side

pytestmark = [pytest.mark.cluster, pytest.mark.disturbs]


@pytest.fixture
def fourth_kind(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An operator, workers and CRDs that know it."""
    names = ("FOURTH_OPERATOR_IMAGE", "FOURTH_WORKER_IMAGE")
    if not all(os.environ.get(name) for name in names):
        pytest.skip(f"{' and '.join(names)} are not set")
    said = operator_side(tmp_path_factory.mktemp("fourth"), of_fourth_kind({}))
    installation.install(world.cluster, *map(installation.image, names))
    crds = {"apiVersion": "v1", "kind": "List", "items": list(said["crds"].values())}
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    world.cluster.kubectl(*apply, stdin=json.dumps(crds))
    yield
    usual = ("OPERATOR_IMAGE", "WORKER_IMAGE")
    installation.install(world.cluster, *map(installation.image, usual))


@pytest.mark.usefixtures("fourth_kind")
def test_a_run(world: World, namespace: str) -> None:
    source = world.source(namespace, dictionary=SOURCE)
    del source["spec"]["github"]
    collection = unique("fourth")
    world.cluster.apply(source)
    world.ready(namespace)
    world.cluster.apply(
        world.invocation(namespace, collection, dictionary={"prefix": "b"}),
    )
    documents = world.succeeded(namespace)["status"]["documents"]
    assert (documents["discovered"], documents["indexed"]) == (2, 1)
    records = world.records(collection)
    assert records.texts == [SOURCE["documents"]["bread"]]
    assert world.collection(collection).metadata["source_type"] == "dictionary"
    # What does not fit is refused with the kind's own words.
    world.cluster.apply(
        world.invocation(namespace, collection, name="none", dictionary={"prefix": "z"})
    )
    refused = world.reason("Invocation", namespace, "none", "Succeeded", "InvalidForSource")
    assert "spec.dictionary.prefix: no document of the Source begins so" in refused["message"]
