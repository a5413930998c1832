"""What is remembered of a run is believed only while the watch shows the same version, and not for
ever."""

from __future__ import annotations

from typing import Any

from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.controller.remembered import MAX_AGE, Remembered

KEY = Key("Invocation", "team", "run")


def run(version: int) -> dict[str, Any]:
    metadata = {
        "name": "run",
        "namespace": "team",
        "uid": "u1",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-24T12:00:00Z",
    }
    return {"metadata": metadata, "spec": {"sourceRef": {"name": "docs"}}, "status": {}}


class Known:
    """A run that the watch has shown, and a memory of it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.cache = Cache()
        self.remembered = Remembered(self.cache, lambda: self.time)
        self.show(1)

    def show(self, version: int, *, deleted: bool = False) -> None:
        keys.invocation_changed(self.cache, run(version), deleted=deleted)


def test_it_is_known_while_the_watch_shows_the_same_version() -> None:
    known = Known()
    assert known.remembered.get(KEY) is None
    known.remembered.read(KEY, run(1))
    assert known.remembered.get(KEY) == run(1)
    known.show(2)
    assert known.remembered.get(KEY) is None


def test_a_watch_that_is_late_is_not_believed() -> None:
    known = Known()
    known.remembered.read(KEY, run(2))
    assert known.remembered.get(KEY) is None
    known.show(2)
    assert known.remembered.get(KEY) == run(2)


def test_a_run_that_is_gone_is_not_known() -> None:
    known = Known()
    known.remembered.read(KEY, run(1))
    known.show(2, deleted=True)
    assert known.remembered.get(KEY) is None
    known.remembered.forget(KEY)
    assert len(known.remembered) == 0


def test_a_write_is_remembered_and_does_not_make_it_younger() -> None:
    """While a watch hangs, the operator knows its own writes only: others' are read at last."""
    known = Known()
    known.remembered.read(KEY, run(1))
    known.time = MAX_AGE
    known.remembered.written(KEY, run(2))
    known.show(2)
    assert known.remembered.get(KEY) == run(2)
    known.time = MAX_AGE + 1
    assert known.remembered.get(KEY) is None


def test_what_the_api_server_notes_of_each_field_takes_no_memory() -> None:
    known = Known()
    shown = run(1)
    noted = {**shown, "metadata": {**shown["metadata"], "managedFields": [{"manager": "kubectl"}]}}
    known.remembered.read(KEY, noted)
    assert known.remembered.get(KEY) == shown
