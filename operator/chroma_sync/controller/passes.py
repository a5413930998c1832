"""A pass: read what is, have it decided, write the status once, then act, then tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import Invocation, InvocationStatus
from chroma_sync.api.source import Source, SourceStatus
from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.cluster.interface import Cluster, Object
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache, Place
from chroma_sync.controller.keys import Key
from chroma_sync.controller.merge import merge_patch
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.workqueue import RetryError, backoff
from chroma_sync.reconcile import invocation as invocation_pass
from chroma_sync.reconcile import names, run
from chroma_sync.reconcile import source as source_pass
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, PodState, invocation_state
from chroma_sync.reconcile.plan import CreateJob, DeleteJob, Event, Plan

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Of one pass, so that silent pods take nothing from other passes: all workers of the queue together
# stay within the connections that there may be.
POLLS_AT_ONCE: Final = 8
POLLS_SECONDS: Final = 1.0  # for all pods of one pass
SILENCE_FIRST: Final = 2.0
SILENCE_LAST: Final = 60.0


class Silence(NamedTuple):
    """A pod that did not answer: how many times in a row, and when to ask it again."""

    times: int
    until: float


class Passes:
    """Runs passes. `wake` adds a key to the queue."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        installation: Installation,
        metrics: Metrics,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._installation = installation
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._refused: dict[Key, str] = {}
        # What the pods of each Invocation told last, by the pod's uid.
        self._told: dict[Key, dict[str, Result]] = {}
        self._silent: dict[Key, dict[str, Silence]] = {}
        # One for each Source: a Job of one of its runs is never made while admission looks.
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()
        self.wake: Callable[[Key], None] = lambda _: None

    async def reconcile(self, key: Key) -> float | None:
        """One pass. Returns when to come again, in seconds. Raises `RetryError` for what another
        try may mend."""
        began, result = monotonic(), "error"
        try:
            if key.kind == "Source":
                async with self._lock_of(key.namespace, key.name):
                    again = await self._source(key)
            else:
                again = await self._invocation(key)
            result = "ok"
            return again
        except ClusterError as error:
            result = "retry"
            raise RetryError(str(error), refused=isinstance(error, InvalidError)) from error
        finally:
            self._metrics.passes.labels(key.kind, result).inc()
            self._metrics.seconds.labels(key.kind).observe(monotonic() - began)

    async def _source(self, key: Key) -> float | None:
        raw = await self._cluster.read("Source", key.namespace, key.name)
        if raw is None:
            self._refused.pop(key, None)
            return None
        source = Source.model_validate(raw)
        invocations = await self._invocations(source)
        jobs = self._cache.jobs_of(key.namespace, key.name)
        pods: list[PodState] = []
        if jobs or any(not i.finished for i in invocations):
            selector = f"{names.LABEL_SOURCE}={names.label_value(key.name)}"
            pods = await self._cluster.pods(key.namespace, selector)
        seen = source_pass.Seen(
            source, self._installation, invocations, jobs, pods, self._refused.get(key, "")
        )
        plan = source_pass.reconcile(seen, self._now())
        await self._carry_out(key, raw, plan)
        return plan.requeue_after

    async def _invocations(self, source: Source) -> list[InvocationState]:
        """The Source's Invocations, as the watch showed them. Of the active one the absence must be
        certain, for its end lets the next one start."""
        namespace, active = source.metadata.namespace, source.status.active_invocation
        known = self._cache.invocations_of(namespace, source.metadata.name)
        if active is None or any(i.uid == active.uid for i in known):
            return known
        raw = await self._cluster.read("Invocation", namespace, active.name)
        if raw is not None and raw["metadata"]["uid"] == active.uid:
            return [*known, invocation_state(raw)]
        return known

    async def _invocation(self, key: Key) -> float | None:
        raw = await self._cluster.read("Invocation", key.namespace, key.name)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            # Its Jobs go with it: they are its dependents.
            self._forget(key)
            return None
        invocation = Invocation.model_validate(raw)
        uid, source_name = invocation.metadata.uid or "", invocation.spec.source_ref.name
        finished = invocation_pass.is_finished(invocation.status)
        # Before the pods: a Job that has ended here has no pod that is not seen to have ended.
        all_jobs = self._cache.jobs_of(key.namespace, source_name)
        jobs = [job for job in all_jobs if job.owner_uid == uid]
        source, pods, fresh = None, [], False
        if not finished or invocation.spec.ttl_seconds_after_finished is not None:
            raw_source = await self._cluster.read("Source", key.namespace, source_name)
            source = Source.model_validate(raw_source) if raw_source is not None else None
        if not finished and invocation.status.start_time is not None:
            pods = await self._cluster.pods(key.namespace, f"{names.LABEL_INVOCATION_UID}={uid}")
            fresh = await self._ask(key, pods)
        seen = run.Seen(
            invocation,
            self._installation,
            source,
            jobs,
            pods,
            self._told.get(key, {}),
            fresh,
            self._refused.get(key, ""),
        )
        plan = invocation_pass.reconcile(seen, self._now())
        await self._carry_out(key, raw, plan)
        if not finished and invocation_pass.is_finished(plan.status):
            reason = plan.status.conditions[0].reason
            self._metrics.finished.labels(reason).inc()
            self._forget(key)
        return plan.requeue_after

    def _lock_of(self, namespace: str, source: str) -> asyncio.Lock:
        return self._locks.setdefault((namespace, source), asyncio.Lock())

    async def _ask(self, key: Key, pods: list[PodState]) -> bool:
        """Ask the pods at work how far they are. Returns whether any of them answered."""
        here = {pod.uid for pod in pods}
        told = self._told[key] = _only(self._told.get(key, {}), here)
        silent = self._silent[key] = _only(self._silent.get(key, {}), here)
        at_work = [p for p in pods if p.phase == "Running" and p.address and not p.terminated]
        due = [p for p in at_work if p.uid not in silent or silent[p.uid].until <= self._clock()]
        # Those that were silent come last: they may use up the time.
        answers = await self._answers(sorted(due, key=lambda pod: pod.uid in silent))
        for uid, answer in answers.items():
            if answer is not None:
                told[uid] = answer
                silent.pop(uid, None)
            else:
                times = silent[uid].times + 1 if uid in silent else 1
                wait = backoff(times, SILENCE_FIRST, SILENCE_LAST)
                silent[uid] = Silence(times, self._clock() + wait)
        return any(answer is not None for answer in answers.values())

    async def _answers(self, pods: list[PodState]) -> dict[str, Result | None]:
        """What the pods answered, by uid: None for silence. Whom there was no time to ask is left
        out."""
        answers: dict[str, Result | None] = {}
        free = asyncio.Semaphore(POLLS_AT_ONCE)

        async def ask(pod: PodState) -> None:
            async with free:
                answers[pod.uid] = None
                answers[pod.uid] = await self._cluster.read_progress(pod.address)

        with suppress(TimeoutError):
            async with asyncio.timeout(POLLS_SECONDS):
                await asyncio.gather(*(ask(pod) for pod in pods))
        return answers

    async def _carry_out(
        self, key: Key, raw: Object, plan: Plan[SourceStatus] | Plan[InvocationStatus]
    ) -> None:
        """Status, then actions, then events: what was decided is never forgotten, what was told is
        always true."""
        patch = merge_patch(raw.get("status") or {}, dump(plan.status))
        if patch:
            raw = await self._cluster.patch_status(key.kind, raw, patch)
            changed = keys.source_changed if key.kind == "Source" else keys.invocation_changed
            for other in changed(self._cache, raw, deleted=False):
                if other != key:
                    self.wake(other)
        try:
            for action in plan.actions:
                await self._act(key, raw, action)
        finally:
            # The status that they tell of is written, and the next pass does not repeat them.
            for event in plan.events:
                await self._tell(key, raw, event)

    async def _tell(self, key: Key, raw: Object, event: Event) -> None:
        try:
            await self._cluster.post_event(key.kind, raw, event)
        except ClusterError as error:
            logger.warning("%s: an event could not be posted: %s", key, error)

    async def _act(self, key: Key, raw: Object, action: Any) -> None:
        if isinstance(action, CreateJob) and key.kind == "Invocation":
            source = raw["spec"]["sourceRef"]["name"]
            async with self._lock_of(key.namespace, source):
                now = await self._cluster.read("Invocation", key.namespace, key.name)
                # Deleted meanwhile, it may have been followed by another run already.
                if _is_alive(now, raw["metadata"]["uid"]):
                    await self._create_job(key, action)
        elif isinstance(action, CreateJob):
            await self._create_job(key, action)
        elif isinstance(action, DeleteJob):
            await self._cluster.delete_job(key.namespace, action.name, action.uid)
        else:
            await self._cluster.delete_invocation(key.namespace, key.name, raw["metadata"]["uid"])

    async def _create_job(self, key: Key, action: CreateJob) -> None:
        try:
            job = await self._cluster.create_job(action.manifest)
        except InvalidError as error:
            self._refused[key] = str(error)
            raise
        self._refused.pop(key, None)
        keys.job_changed(self._cache, job, deleted=False)

    def _forget(self, key: Key) -> None:
        self._refused.pop(key, None)
        self._told.pop(key, None)
        self._silent.pop(key, None)


def _only(known: dict[str, T], uids: set[str]) -> dict[str, T]:
    return {uid: value for uid, value in known.items() if uid in uids}


def _is_alive(obj: Object | None, uid: str) -> bool:
    metadata = obj["metadata"] if obj is not None else {}
    return metadata.get("uid") == uid and "deletionTimestamp" not in metadata


def dump(status: SourceStatus | InvocationStatus) -> Object:
    """A status as it is written: what is not set is left out."""
    full = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in full.items() if value != []}
