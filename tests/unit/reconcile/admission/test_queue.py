"""The runs of one Source in their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chroma_sync.reconcile.admission import queue
from unit.reconcile.build import waiting


def test_who_goes_before_and_after_whom() -> None:
    going = replace(waiting("d", 9), started=True)
    runs = [waiting("c", 2), waiting("a", 1), going, replace(waiting("b", 1), cancel=True)]
    assert queue.ahead("uid-d", runs) is None
    assert queue.ahead("uid-a", runs) == going
    assert queue.ahead("uid-c", runs) == waiting("a", 1)
    assert queue.ahead("uid-not-seen-yet", runs) == waiting("c", 2)
    assert queue.follower(waiting("a", 1), runs) == "c"
    assert queue.follower(waiting("c", 2), runs) == ""


@pytest.mark.parametrize(
    ("change", "alive", "waits"),
    [
        ({}, True, True),
        ({"started": True}, True, True),
        ({"cancel": True}, True, False),
        ({"started": True, "cancel": True}, True, True),
        ({"deleting": True}, False, False),
        ({"held": True}, False, False),
        # It has pods that end first.
        ({"started": True, "deleting": True}, True, True),
        ({"succeeded": "True", "started": True}, False, False),
        ({"succeeded": "False"}, False, False),
    ],
)
def test_who_is_in_the_queue(change: dict[str, Any], alive: bool, waits: bool) -> None:
    run = replace(waiting("a"), **change)
    assert (queue.alive(run), queue.waits(run)) == (alive, waits)
