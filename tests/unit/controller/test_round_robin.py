"""Groups take turns."""

from __future__ import annotations

import pytest

from chroma_sync.controller.round_robin import RoundRobin


def filled(*keys: str) -> RoundRobin[str]:
    """Keys whose first letter is their group."""
    waiting: RoundRobin[str] = RoundRobin(lambda key: key[0])
    for key in keys:
        waiting.add(key)
    return waiting


def drained(waiting: RoundRobin[str]) -> list[str]:
    return [waiting.take() for _ in range(len(waiting))]


def test_groups_take_turns_and_each_keeps_its_order() -> None:
    waiting = filled("a1", "a2", "a3", "b1", "c1", "b2")
    assert drained(waiting) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_flood_of_one_group_holds_nobody_else_up() -> None:
    waiting = filled(*(f"a{n}" for n in range(10_000)))
    waiting.take()
    waiting.add("b1")
    assert [waiting.take() for _ in range(3)] == ["a1", "b1", "a2"]
    # A group that comes back does not get in front of those whose turn it is.
    waiting.add("b2")
    waiting.add("c1")
    assert [waiting.take() for _ in range(4)] == ["a3", "b2", "c1", "a4"]


def test_a_key_waits_once() -> None:
    waiting = filled("a1", "a2", "a1")
    assert len(waiting) == 2
    assert "a1" in waiting
    assert drained(waiting) == ["a1", "a2"]
    assert "a1" not in waiting


def test_what_is_taken_out_is_gone() -> None:
    waiting = filled("a1", "b1", "b2")
    for key in ("a1", "b1", "b1", "c9"):
        waiting.discard(key)
    assert drained(waiting) == ["b2"]
    with pytest.raises(KeyError):
        waiting.take()
