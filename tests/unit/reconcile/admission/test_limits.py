"""How many runs may go at once."""

from __future__ import annotations

from dataclasses import replace

from chroma_sync.reconcile.admission.limits import PER_SOURCE, Limit, Places, UnfinishedRun
from unit.reconcile.build import waiting


def run(name: str, source: str = "docs", namespace: str = "team") -> UnfinishedRun:
    return UnfinishedRun(namespace, replace(waiting(name), source=source))


def test_one_of_each_source() -> None:
    places = Places([run("a")])
    assert not places.take(run("b"))
    assert places.take(run("c", source="other"))
    assert places.take(run("d", namespace="elsewhere"))
    assert not places.take(run("e", source="other"))


def test_each_limit_must_have_a_place_and_a_no_takes_none() -> None:
    two = Limit(lambda run: run.namespace, 2)
    places = Places([], (PER_SOURCE, two))
    assert places.take(run("a", source="a"))
    assert places.take(run("b", source="b"))
    assert not places.take(run("c", source="c"))
    assert places.take(run("c", source="c", namespace="elsewhere"))
    assert not places.take(run("d", source="c", namespace="elsewhere"))
    assert places.take(run("d", source="d", namespace="elsewhere"))
