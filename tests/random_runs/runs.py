"""Lets a case happen, and holds what comes of it against runs from nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from random import Random
from threading import RLock
from typing import Any

import httpx
import numpy as np

from chroma_sync.api.contract import ExitCode
from chroma_sync.api.reasons import Reason
from chroma_sync.cli.outcome import as_step_error
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.index.records import document_sha
from chroma_sync.pipeline.run import hold_of
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox
from random_runs.cases import (
    BEFORE_FINISH,
    REFUSED,
    REFUSED_MAX,
    UNSTORABLE,
    Attempt,
    Case,
    Fault,
    Round,
)
from random_runs.world import OURS, THEIRS, OddDatabase, OddModel, World

_TARGET = "target"
_ATTEMPTS_MAX = 6
_STEPS: dict[str, Callable[[Toolbox], None]] = {
    "plan": steps.plan,
    "finish": steps.finish,
    "run": steps.run,
}

Records = dict[str, tuple[str, dict[str, Any], Any]]


def _act(round_: Round, attempt: Attempt, tools: Toolbox) -> None:
    """What one pod does."""
    if attempt.step == "work":
        steps.work(tools, Shard(attempt.shard, round_.shards))
    else:
        _STEPS[attempt.step](tools)


class Killed(BaseException):
    """A pod is gone, from one moment to the next."""


class Player:
    """Plays one case."""

    def __init__(self, world: World, case: Case) -> None:
        self._world = world
        self._case = case
        self._target = f"{_TARGET}-{case.seed}"
        self._rival: tuple[str, int] | None = None
        self._strange: set[str] = set()  # documents that strangers wrote
        self._fresh: dict[int, Records] = {}
        self._theirs: int | None = None  # which tree the neighbour has brought in
        self._stale: dict[str, Any] = {}  # the collection's metadata before the last write
        self._seals: dict[int, str] = {}

    def play(self) -> list[str]:
        """Returns how each round ended: an empty text, or the reason why it is not finished. Raises
        `AssertionError` where a collection is not what it should be."""
        ends = []
        for number, round_ in enumerate(self._case.rounds):
            before = self._records(self._target)
            uid = f"run-{number}-{uuid.uuid4()}"
            reason = self._run(round_, uid)
            self._check(round_.state, uid, reason, before, has_twin=round_.has("twin"))
            if reason and not round_.has(*BEFORE_FINISH):
                self._check_nothing_lost(round_.state, before)
                if reason.startswith(Reason.TOO_MANY_REFUSED):
                    found = self._records(self._target)
                    assert before.keys() <= found.keys(), _difference(found, before)
            ends.append(reason)
            if self._rival is not None:
                (rival, state), self._rival = self._rival, None
                before = self._records(self._target)
                reason = self._in_peace(state, rival)
                self._check(state, rival, reason, before)
        last = len(self._case.states) - 1
        uid, before = f"last-{uuid.uuid4()}", self._records(self._target)
        reason = self._in_peace(last, uid)
        ended_well = not reason or self._too_many_refused(last)
        assert ended_well, f"a run in peace ended with {reason}"
        self._check(last, uid, reason, before)
        return ends

    def _run(self, round_: Round, uid: str) -> str:
        self._seals = {}
        for attempt in round_.attempts:
            reason = self._step(round_, attempt, uid)
            if reason:
                return reason
        return ""

    def _step(self, round_: Round, attempt: Attempt, uid: str) -> str:
        """Try a step as Kubernetes does: again while its end is temporary or unknown."""
        faults = attempt.faults
        for _ in range(_ATTEMPTS_MAX):
            try:
                tools = self._tools(round_, attempt, uid, faults)
                if attempt.step == "finish":
                    told = [self._seals.get(shard, "") for shard in range(round_.shards)]
                    tools.configuration.seals = told
                _act(round_, attempt, tools)
                self._seals[attempt.shard] = tools.progress.result().seal
                return ""
            except Killed:
                pass
            except Exception as error:
                known = as_step_error(error)
                if known is None:
                    raise
                if known.exit_code != ExitCode.TEMPORARY:
                    return f"{known.reason.value}: {known}"
            faults = ()
        raise AssertionError(f"{attempt.step} did not end in {_ATTEMPTS_MAX} attempts")

    def _in_peace(self, state: int, uid: str) -> str:
        """A run that nothing happens to."""
        alone = Attempt("run", 0, ())
        return self._step(Round(state, 0, 1, (alone,), True), alone, uid)

    def _tools(
        self, round_: Round, attempt: Attempt, uid: str, faults: tuple[Fault, ...]
    ) -> Toolbox:
        # Of this pod: what happens at one call of it lets its other threads wait.
        calls, lock = 0, RLock()

        def hook(handle: Any, _name: str, carry_out: Callable[[], Any]) -> Any:
            nonlocal calls
            with lock:
                calls += 1
                if _name == "modify":
                    self._stale = self._metadata()
                due = [fault for fault in faults if fault.at == calls]
                for fault in due:
                    self._before(fault, round_, attempt, uid, handle, tools)
                result = carry_out()
                for fault in due:
                    _after(fault)
            return result

        states = self._case.states
        tools = self._world.tools(
            *(states, round_.state, self._target, uid),
            hook=hook,
            allow_mass_delete=round_.allows_mass_delete,
            is_late=self._case.is_late,
            is_shared=self._case.is_shared,
        )
        # The first model to come is the right one.
        if self._world.exists(self._target):
            _model(tools).changed = any(one.kind == "another model" for one in faults)
        return tools

    def _before(
        self,
        fault: Fault,
        round_: Round,
        attempt: Attempt,
        uid: str,
        handle: Any,
        tools: Toolbox,
    ) -> None:
        """What happens just before a call."""
        match fault.kind:
            case "killed before":
                raise Killed
            case "not reached":
                raise httpx.ConnectError("not reached, by the case")
            case "model gone":
                _model(tools).gone = True
            case "small bodies":
                assert isinstance(tools.database, OddDatabase)
                tools.database.records_max = 1 + fault.seed % 3
            case "model changed" if _model(tools).expects:
                _model(tools).changed = True
            case "twin":
                self._twin(round_, attempt, uid)
            case "rival" if self._rival is None:
                rival = f"rival-{uuid.uuid4()}"
                claimed = Attempt("plan", 0, ())
                theirs = Round(round_.rival, 0, 1, (claimed,), True)
                if not self._step(theirs, claimed, rival):
                    self._rival = rival, round_.rival
            case "neighbour":
                self._neighbour(fault)
            case "undone" if "shared" in self._stale:
                handle.modify(metadata=self._stale)
            case "records deleted":
                self._world_of_strangers(fault, handle, delete=True)
            case "records overwritten":
                self._world_of_strangers(fault, handle, delete=False)

    def _twin(self, round_: Round, attempt: Attempt, uid: str) -> None:
        """Another pod of the same step lives through it. What it ends with is its own affair."""
        try:
            _act(round_, attempt, self._tools(round_, attempt, uid, ()))
        except Exception as error:
            if as_step_error(error) is None:
                raise

    def _neighbour(self, fault: Fault) -> None:
        """A run of another Source into the same collection, with keys of its own."""
        self._theirs = fault.seed % len(self._case.states)
        steps.run(self._neighbours(self._target, self._theirs))

    def _neighbours(self, collection: str, state: int) -> Toolbox:
        tree = {f"theirs/{key}": text for key, text in self._case.states[state].items()}
        refused = (REFUSED.encode(), UNSTORABLE.encode())
        tree = {k: t for k, t in tree.items() if not any(word in t for word in refused)}
        uid = f"neighbour-{uuid.uuid4()}"
        return self._world.tools((tree,), 0, collection, uid, is_shared=True, source=THEIRS)

    def _world_of_strangers(self, fault: Fault, handle: Any, *, delete: bool) -> None:
        """Someone deletes records, or writes over some what stands of them at another state of the
        source, as the pod of a run does that has lost its collection."""
        random = Random(fault.seed)
        there = sorted(handle.get(include=[], where={"source": OURS})["ids"])
        if delete and there:
            handle.delete(ids=random.sample(there, random.randint(1, len(there))))
            return
        records = self._from_nothing(random.randrange(len(self._case.states)))
        ids = sorted(records)
        if ids:
            chosen = random.sample(ids, random.randint(1, len(ids)))
            self._strange |= {_document(records[id_]) for id_ in chosen}
            handle.upsert(
                ids=chosen,
                documents=[records[i][0] for i in chosen],
                metadatas=[records[i][1] for i in chosen],
                embeddings=np.stack([records[i][2] for i in chosen]),
            )

    # What must be true

    def _check(
        self, state: int, uid: str, reason: str, before: Records, *, has_twin: bool = False
    ) -> None:
        found, wanted = self._records(self._target), self._from_nothing(state)
        self._check_neighbour()
        marked = self._is_marked(uid, reason)
        assert marked or reason, "it ended well and is not marked finished"
        if self._too_many_refused(state):
            assert not marked, "too many documents were refused, and it is marked finished"
        if not marked:
            return
        # Also of a run that ended with a reason: a twin has finished it, and a rival took it over.
        kept = self._kept(state, before)
        if has_twin:
            # One pod may write pieces of what is refused after the other has set the mark. The next
            # run of the Source deletes them.
            kept |= self._refused(state)
        found = {id_: record for id_, record in found.items() if _document(record) not in kept}
        assert found.keys() == wanted.keys(), _difference(found, wanted)
        for id_, (text, values, vector) in wanted.items():
            assert found[id_][:2] == (text, values), f"{id_}: {found[id_][:2]} != {(text, values)}"
            assert np.allclose(found[id_][2], vector, atol=1e-5), f"{id_}: another vector"

    def _is_marked(self, uid: str, reason: str) -> bool:
        metadata = self._metadata()
        if not self._case.is_shared:
            return bool(metadata.get("finished_by") == uid)
        # Whoever shares the collection may undo the mark.
        hold = hold_of(self._world.tools(self._case.states, 0, self._target, uid, is_shared=True))
        return not reason or hold.is_done(metadata)

    def _check_neighbour(self) -> None:
        if self._theirs is None:
            return
        name = f"neighbour-{self._case.seed}-{self._theirs}"
        steps.run(self._neighbours(name, self._theirs))
        found, wanted = (self._records(n, THEIRS) for n in (self._target, name))
        assert found.keys() == wanted.keys(), _difference(found, wanted)
        for id_, (text, values, _) in wanted.items():
            assert found[id_][:2] == (text, values), f"{id_}: a neighbour's record"

    def _check_nothing_lost(self, state: int, before: Records) -> None:
        """A run that is not finished has taken away nothing that the source still has."""
        found, wanted = self._records(self._target), self._from_nothing(state)
        stood = {i: r for i, r in before.items() if i in wanted and r[:2] == wanted[i][:2]}
        assert stood.keys() <= found.keys(), _difference(found, stood)

    def _too_many_refused(self, state: int) -> bool:
        """Whether a run over this state must end before it deletes or marks anything."""
        return len(self._refused(state)) > REFUSED_MAX

    def _refused(self, state: int, *words: str) -> set[str]:
        """The documents that are refused for one of these words, or for any."""
        tree = self._case.states[state]
        words = words or (REFUSED, UNSTORABLE)
        return {document_sha(k) for k, t in tree.items() if any(w.encode() in t for w in words)}

    def _kept(self, state: int, before: Records) -> set[str]:
        """The documents of which what stood before, or what strangers wrote, may stay: the model
        refuses them now."""
        refused = self._refused(state, REFUSED)
        return refused & ({_document(record) for record in before.values()} | self._strange)

    def _from_nothing(self, state: int) -> Records:
        """What an undisturbed run into a new collection gives. Where too many documents are refused
        it gives nothing: then what it would give without them."""
        if state not in self._fresh:
            name = f"nothing-{self._case.seed}-{state}"
            tree = self._case.states[state]
            if self._too_many_refused(state):
                refused = self._refused(state)
                tree = {key: text for key, text in tree.items() if document_sha(key) not in refused}
            uid, is_shared = str(uuid.uuid4()), self._case.is_shared
            steps.run(self._world.tools((tree,), 0, name, uid, is_shared=is_shared))
            self._fresh[state] = self._records(name)
        return self._fresh[state]

    def _records(self, name: str, source: str = OURS) -> Records:
        from chromadb.errors import NotFoundError

        try:
            handle = self._world.handle(name)
        except NotFoundError:
            return {}
        include = ["documents", "metadatas", "embeddings"]
        page = handle.get(include=include, where={"source": source})
        rows = zip(
            page["ids"], page["documents"], page["metadatas"], page["embeddings"], strict=True
        )
        return {i: (text, dict(m), np.asarray(v)) for i, text, m, v in rows}

    def _metadata(self) -> dict[str, Any]:
        handle = self._world.handle(self._target)
        return dict(handle.metadata or {})


def _model(tools: Toolbox) -> OddModel:
    assert isinstance(tools.model, OddModel)
    return tools.model


def _after(fault: Fault) -> None:
    """What happens just after a call was carried out."""
    if fault.kind == "killed after":
        raise Killed
    if fault.kind == "answer lost":
        raise httpx.ReadTimeout("the answer is lost, by the case")


def _document(record: tuple[str, dict[str, Any], Any]) -> str:
    return str(record[1]["document_key_sha256"])


def _difference(found: Records, wanted: Records) -> str:
    lost = {i: wanted[i][1]["document_key"] for i in wanted.keys() - found.keys()}
    left = {i: found[i][1].get("document_key") for i in found.keys() - wanted.keys()}
    return f"lost {lost}, left {left}"
