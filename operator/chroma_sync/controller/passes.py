"""A pass: read what is, have it decided, write the status once, then act, then tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
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
from chroma_sync.controller.workqueue import RetryError
from chroma_sync.reconcile import invocation as invocation_pass
from chroma_sync.reconcile import names, run
from chroma_sync.reconcile import source as source_pass
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, PodState, invocation_state
from chroma_sync.reconcile.plan import CreateJob, DeleteJob, Event, Plan

logger = logging.getLogger(__name__)

POLLS_AT_ONCE: Final = 16


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
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._installation = installation
        self._metrics = metrics
        self._now = now
        self._refused: dict[Key, str] = {}
        # What the pods of each Invocation told last, by the pod's uid.
        self._told: dict[Key, dict[str, Result]] = {}
        # One for each Source: a Job of one of its runs is never made while admission looks.
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()
        self._polls = asyncio.Semaphore(POLLS_AT_ONCE)
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
            raise RetryError(str(error)) from error
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
        source, pods, fresh = None, [], False
        if not finished or invocation.spec.ttl_seconds_after_finished is not None:
            raw_source = await self._cluster.read("Source", key.namespace, source_name)
            source = Source.model_validate(raw_source) if raw_source is not None else None
        if not finished and invocation.status.start_time is not None:
            pods = await self._cluster.pods(key.namespace, f"{names.LABEL_INVOCATION_UID}={uid}")
            fresh = await self._ask(key, pods)
        jobs = self._cache.jobs_of(key.namespace, source_name)
        seen = run.Seen(
            invocation,
            self._installation,
            source,
            [job for job in jobs if job.owner_uid == uid],
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
        at_work = [p for p in pods if p.phase == "Running" and p.address and not p.terminated]

        async def ask(pod: PodState) -> Result | None:
            async with self._polls:
                return await self._cluster.read_progress(pod.address)

        answers = await asyncio.gather(*(ask(pod) for pod in at_work))
        told = self._told.setdefault(key, {})
        here = {pod.uid for pod in pods}
        for gone in [pod_uid for pod_uid in told if pod_uid not in here]:
            del told[gone]
        told |= {p.uid: r for p, r in zip(at_work, answers, strict=True) if r is not None}
        return any(answer is not None for answer in answers)

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


def _is_alive(obj: Object | None, uid: str) -> bool:
    metadata = obj["metadata"] if obj is not None else {}
    return metadata.get("uid") == uid and "deletionTimestamp" not in metadata


def dump(status: SourceStatus | InvocationStatus) -> Object:
    """A status as it is written: what is not set is left out."""
    full = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in full.items() if value != []}
