"""Which runs may start, decided over all of them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chroma_sync.reconcile.admission.decision import grants
from chroma_sync.reconcile.admission.limits import LIMITS, Limit, UnfinishedRun
from unit.reconcile.build import waiting

IN_ALL = Limit(lambda run: "", 2)


def run(name: str, seconds: float = 0, source: str = "docs", **fields: Any) -> UnfinishedRun:
    state = replace(waiting(name, seconds), source=source, **fields.pop("state", {}))
    return UnfinishedRun("team", state, **({"startable": True} | fields))


def names(runs: list[UnfinishedRun], *limits: Limit) -> list[str]:
    return [run.state.name for run in grants(runs, limits or LIMITS)]


def test_the_oldest_of_each_source() -> None:
    runs = [run("a", 2), run("b", 1), run("c", 9, source="other"), run("d", 10, source="other")]
    assert names(runs) == ["b", "c"]


def test_an_active_one_has_the_place_of_its_source() -> None:
    assert names([run("a", active=True), run("b", 1)]) == []
    over = {"succeeded": "True", "started": True}
    assert names([run("a", active=True, state=over), run("b", 1)]) == ["b"]


@pytest.mark.parametrize("state", [{"cancel": True}, {"deleting": True}, {"held": True}])
def test_who_does_not_wait_is_passed_over(state: dict[str, Any]) -> None:
    assert names([run("a", state=state), run("b", 1)]) == ["b"]


def test_nobody_starts_while_his_source_lets_none_start() -> None:
    assert names([run("a", startable=False)]) == []
    # One that has started goes on with a Source that was made again.
    going = run("b", 5, startable=False, state={"started": True})
    assert names([run("a"), going]) == ["b"]


def test_who_was_granted_it_keeps_it() -> None:
    """An older one may come late, with a watch that was. The place is not given twice."""
    granted = run("b", 5, granted=True)
    assert names([run("a"), granted]) == ["b"]
    assert names([run("a"), granted._replace(startable=False)]) == ["a"]
    others = [run(f"o{n}", n, source=f"s{n}") for n in range(5)]
    last = run("z", 99, source="z", granted=True)
    assert names([*others, last], *LIMITS, IN_ALL) == ["z", "o0"]


def test_limits_hold_over_all_sources() -> None:
    runs = [run(f"r{n}", n, source=f"s{n}") for n in range(5)]
    assert names(runs, *LIMITS, IN_ALL) == ["r0", "r1"]
    runs[3] = runs[3]._replace(active=True)
    assert names(runs, *LIMITS, IN_ALL) == ["r0"]


def test_whatever_the_runs_are_each_source_has_one_at_most() -> None:
    random_ = random.Random(7)
    for _ in range(300):
        runs = [
            run(
                f"r{n}",
                random_.randrange(9),
                source=f"s{random_.randrange(4)}",
                startable=random_.random() < 0.8,
                granted=random_.random() < 0.2,
                state={
                    "started": random_.random() < 0.1,
                    "cancel": random_.random() < 0.2,
                    "succeeded": random_.choice(["Unknown", "Unknown", "True"]),
                },
            )
            for n in range(12)
        ]
        first = random_.randrange(12)
        runs[first] = runs[first]._replace(active=True)
        chosen = grants(runs)
        going = [r for r in runs if r.active and not r.state.finished] + chosen
        assert max(Counter(r.state.source for r in going).values(), default=0) <= 1
        assert not any(r.state.finished or r.active for r in chosen)
        # Decided once more, with what was decided, it is the same.
        again = [r._replace(granted=r in chosen) for r in runs]
        assert {r.state.uid for r in grants(again)} == {r.state.uid for r in chosen}
