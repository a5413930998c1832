"""A configuration that no environment variable could hold: one holds 128 KiB at most."""

from __future__ import annotations

import pytest

from cluster.kit import servers
from cluster.kit.world import World, unique
from fakes import repository

pytestmark = pytest.mark.cluster

LONG = [f"{n:03}/{'a-long-folder/' * 36}*" for n in range(199)]


@pytest.mark.timeout(400)
def test_200_long_globs_each_way(world: World, namespace: str) -> None:
    collection = unique("large")
    github = {
        "repository": servers.REPOSITORY,
        "baseUrl": servers.GIT_URL,
        "includeGlobs": ["*.py", *LONG],
        "excludeGlobs": ["src/basket/", *LONG],
    }
    source = world.source(namespace, github=github, jobTemplate={"parallelism": 2})
    world.cluster.apply(source, world.invocation(namespace, collection))
    world.ready(namespace)
    run = world.succeeded(namespace)
    held = run["status"]["configuration"]["github"]
    assert sum(len(glob) for glob in held["includeGlobs"] + held["excludeGlobs"]) > 200_000
    texts = [name for name in repository.text_files() if name.endswith(".py")]
    wanted = sorted(name for name in texts if not name.startswith("src/basket/"))
    assert sorted(world.records(collection).by_document()) == wanted
    world.config_maps_gone(namespace)
