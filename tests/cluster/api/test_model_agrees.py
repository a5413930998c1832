"""The API server and the models take the same objects: held against each other with generated ones,
which the server only validates."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes.client import ApiException
from pydantic import ValidationError

from chroma_sync.api import crd
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.source import Source
from cluster.api.generated_objects import Generated, Object, objects
from cluster.api.server import Api, refusal

pytestmark = pytest.mark.cluster

MODELS: dict[str, type[Source] | type[Invocation]] = {"Source": Source, "Invocation": Invocation}
SCHEMAS = {kind: crd.schema(model) for kind, model in MODELS.items()}
PAIRS = 500
ENOUGH = 3000


def by_server(api: Api, obj: Object) -> str:
    """Why the API server refuses an object; empty when it takes it."""
    try:
        api.create(obj)
    except ApiException as error:
        return refusal(error)
    return ""


def by_model(obj: Object) -> str:
    """Why the model refuses an object, as `chroma-sync` reads it from a file."""
    try:
        MODELS[obj["kind"]].model_validate(obj, by_alias=True, by_name=False)
    except ValidationError as error:
        return str(error.errors(include_url=False, include_input=False))
    return ""


def test_the_server_and_the_models_agree(api: Api) -> None:
    def compare(generated: Generated) -> tuple[Generated, str, str]:
        return generated, by_server(api, generated.object), by_model(generated.object)

    with ThreadPoolExecutor(4) as pool:
        compared = list(pool.map(compare, objects(SCHEMAS, seed=1, pairs=PAIRS)))
    different = list(disagreements(compared))
    assert different == [], "\n".join([f"{len(different)} disagree", *different[:100]])
    taken = sum(not server for _, server, _ in compared)
    assert len(compared) > ENOUGH
    assert 0.1 < taken / len(compared) < 0.9, "the objects are too good, or too bad, to show much"


def disagreements(compared: list[tuple[Generated, str, str]]) -> Iterator[str]:
    for generated, server, model in compared:
        if bool(server) != bool(model):
            said = f"the server: {server or 'good'}; the model: {model or 'good'}"
            yield f"{generated.object['kind']}: {generated.changed}: {said}"[:700]
