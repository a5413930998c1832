"""Whatever happens to runs: a collection is what a run from nothing gives, or the run says why not
and is not marked finished."""

from __future__ import annotations

from pprint import pformat

from random_runs.cases import case
from random_runs.runs import Player
from random_runs.world import World


def test_a_case(world: World, seed: int) -> None:
    drawn = case(seed)
    # Shown when it fails: `make test-random SEED=%d CASES=1` repeats it.
    print(f"seed {seed}: {pformat(drawn.rounds)}")
    Player(world, drawn).play()
