"""A case: how a source changes, how its runs go, and what comes in between. All of it is drawn from
one seed, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

Tree = dict[str, bytes]
Step = Literal["plan", "work", "finish", "run"]

WORDS: Final = ("bread", "oven", "dough", "flour", "yeast", "crust", "salt", "rye", "loaf", "mill")
# A text with the first word is refused by the model, a record with the second one by Chroma (413).
REFUSED: Final = "unspeakable"
UNSTORABLE: Final = "unstorable"

# What may happen at a call of Chroma. A killed pod is followed by another; a lost answer is one of
# a call that was carried out; a twin is a pod of the same run and step, which lives through all of
# its work just then; a rival is another run that claims the collection. A model
# that is changed gives other vectors from that call on, another model does so from the first one.
# What stands before Chroma and takes small bodies only answers 413 from that call on.
AT_ANY_TIME: Final = (
    *("killed before", "killed after", "not reached", "answer lost", "twin", "rival"),
    *("model gone", "model changed", "another model", "small bodies"),
)
# What a stranger does. Finish looks at each document once: after that it would not notice.
BEFORE_FINISH: Final = ("records deleted", "records overwritten")
# What else may happen where Sources share a collection: a run of another one lives through all of
# its work just then, or writes what stood in the collection's metadata before the last write to it.
OF_NEIGHBOURS: Final = ("neighbour", "undone")
# A run that more documents than these are refused to ends. It takes fewer here: cases are small.
REFUSED_MAX: Final = 4


@dataclass(frozen=True)
class Fault:
    """Something that happens once, at a step's call number `at` (from 1)."""

    kind: str
    at: int
    seed: int


@dataclass(frozen=True)
class Attempt:
    """One step in one pod. `shard` counts from 0."""

    step: Step
    shard: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Round:
    """One run: its steps in the order in which they begin, each with what happens to its first
    attempt. Later attempts of a step are left in peace."""

    state: int  # which tree is read
    rival: int  # which tree a rival would read
    shards: int
    attempts: tuple[Attempt, ...]
    allows_mass_delete: bool  # else it may end before it deletes

    def has(self, *kinds: str) -> bool:
        """Whether anything of these kinds happens."""
        return any(fault.kind in kinds for one in self.attempts for fault in one.faults)


@dataclass(frozen=True)
class Case:
    """Some runs over a source that changes in between. `is_late`: only opening a document tells its
    version. `is_shared`: another Source has documents in the same collection, and some documents
    have ids of their own, which change with their texts."""

    seed: int
    states: tuple[Tree, ...]
    rounds: tuple[Round, ...]
    is_late: bool
    is_shared: bool


def case(seed: int) -> Case:
    """The case of a seed: the same one everywhere."""
    random = Random(seed)
    states = [_first(random)]
    while len(states) < 3:
        states.append(_changed(random, states[-1]))
    if random.random() < 0.1:
        states[random.randrange(len(states))] |= _many_refused(random)
    rounds = [_round(random, state) for state in range(random.randint(1, 3))]
    is_late = random.random() < 0.3
    if is_late:
        rounds = [_in_one_pod(round_) for round_ in rounds]
    # By numbers of its own: all else is the same whether it is shared or not.
    random = Random(f"shared {seed}")
    is_shared = random.random() < 0.25
    if is_shared:
        rounds = [_with_neighbours(random, round_) for round_ in rounds]
    return Case(seed, tuple(states), tuple(rounds), is_late, is_shared)


def _with_neighbours(random: Random, round_: Round) -> Round:
    attempts = (
        replace(one, faults=(*one.faults, *_faults(random, OF_NEIGHBOURS, 20)))
        for one in round_.attempts
    )
    return replace(round_, attempts=tuple(attempts))


def _first(random: Random) -> Tree:
    return {_key(random): _text(random) for _ in range(random.randint(0, 10))}


def _many_refused(random: Random) -> Tree:
    """More documents than a run bears that are refused."""
    return {f"c/{n}.txt": _refused(random) for n in range(REFUSED_MAX + 1)}


def _refused(random: Random) -> bytes:
    lines = [_line(random) for _ in range(random.randint(1, 4))]
    word = random.choice((REFUSED, UNSTORABLE))
    lines[random.randrange(len(lines))] = f"{word}\n".encode()
    return b"".join(lines)


def _changed(random: Random, tree: Tree) -> Tree:
    """The tree after some changes: documents come, go, move, grow, shrink and take another's
    text."""
    tree = dict(tree)
    for _ in range(random.randint(0, 6)):
        keys = sorted(tree)
        what = random.choice(("add", "delete", "move", "edit", "copy", "shrink"))
        if what == "add" or not keys:
            tree[_key(random)] = _text(random)
            continue
        key = random.choice(keys)
        if what == "delete":
            del tree[key]
        elif what == "move":
            tree[_key(random)] = tree.pop(key)
        elif what == "copy":
            tree[_key(random)] = tree[key]
        elif what == "shrink":
            tree[key] = b"".join(tree[key].splitlines(keepends=True)[:2])
        else:
            lines = tree[key].splitlines(keepends=True)
            lines.insert(random.randint(0, len(lines)), _line(random))
            tree[key] = b"".join(lines)
    return tree


def _key(random: Random) -> str:
    return f"{random.choice(('a', 'b'))}/{random.choice(WORDS)}.txt"


def _text(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.05:
        return random.choice((b"", b"\0binary"))
    if kind < 0.15:
        return _refused(random)
    return b"".join(_line(random) for _ in range(random.randint(1, 12)))


def _line(random: Random) -> bytes:
    return " ".join(random.choices(WORDS, k=random.randint(1, 4))).encode() + b"\n"


def _round(random: Random, state: int) -> Round:
    shards = random.randint(1, 3)
    steps: list[tuple[Step, int]] = [("run", 0)]
    if shards > 1 or random.random() < 0.3:
        work: list[tuple[Step, int]] = [("work", shard) for shard in range(shards)]
        random.shuffle(work)
        steps = [("plan", 0), *work, ("finish", 0)]
    attempts = tuple(Attempt(step, shard, _troubles(random, step)) for step, shard in steps)
    return Round(state, random.randrange(3), shards, attempts, random.random() < 0.7)


def _in_one_pod(round_: Round) -> Round:
    """The same, as documents that are late are not shared among pods."""
    # Such a run finishes, too: see `BEFORE_FINISH`.
    faults = tuple(f for f in round_.attempts[0].faults if f.kind not in BEFORE_FINISH)
    return replace(round_, shards=1, attempts=(Attempt("run", 0, faults),))


def _troubles(random: Random, step: Step) -> tuple[Fault, ...]:
    kinds = AT_ANY_TIME if step in ("finish", "run") else (*AT_ANY_TIME, *BEFORE_FINISH)
    calls = 10 if step in ("plan", "finish") else 20
    return _faults(random, kinds, calls)


def _faults(random: Random, kinds: tuple[str, ...], calls: int) -> tuple[Fault, ...]:
    return tuple(
        Fault(random.choice(kinds), random.randint(1, calls), random.randrange(2**32))
        for _ in range(random.choice((0, 1, 1, 2)))
    )
