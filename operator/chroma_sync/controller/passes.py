"""A pass: read what is, have it decided, carry it out.

Jobs and pods are as the watches showed them. What stands on pods that are not there is decided
again with pods that are listed right then: a run ends, a check fails, the next run is admitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic

from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import InvocationStatus
from chroma_sync.api.meta import Object
from chroma_sync.api.source import Source, SourceStatus
from chroma_sync.api.stored import UnreadableStatusError
from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.cluster.interface import Cluster
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.executor import Executor
from chroma_sync.controller.grants import Grants
from chroma_sync.controller.key import Admission, Key, Work
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.reading import Reader
from chroma_sync.controller.remembered import Remembered
from chroma_sync.controller.workloads import Workloads
from chroma_sync.controller.workqueue import RetryError
from chroma_sync.reconcile import invocation as invocation_pass
from chroma_sync.reconcile import names
from chroma_sync.reconcile import source as source_pass
from chroma_sync.reconcile.admission import queue
from chroma_sync.reconcile.admission.handover import remains
from chroma_sync.reconcile.decision import Decision
from chroma_sync.reconcile.inputs import ObservedRun, ObservedSource
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import InvocationState, PodState, invocation_state


class Passes:
    """Runs passes. `progress` is what pods said last, by uid. `wake` adds a key to the queue."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        installation: Installation,
        metrics: Metrics,
        progress: Mapping[str, Result],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cache = cache
        self._installation = installation
        self._metrics = metrics
        self._progress = progress
        self._now = now
        self._executor = Executor(cluster, cache)
        self._grants = Grants(cache)
        self._remembered = Remembered(cache)
        self._reader = Reader(cluster, self._remembered)
        self._workloads = Workloads(cluster, cache)
        self.wake: Callable[[Work], None] = lambda _: None
        self._executor.wake = self._workloads.wake = lambda work: self.wake(work)

    async def reconcile(self, work: Work) -> float | None:
        """One pass. Returns when to come again, in seconds. Raises `RetryError` for what another
        try may mend."""
        if isinstance(work, Admission):
            for source in self._grants.decide(self._now()):
                self.wake(source)
            return None
        return await self._object(work)

    async def _object(self, key: Key) -> float | None:
        began, result = monotonic(), "error"
        try:
            if key.kind == "Source":
                async with self._executor.lock_of(key.namespace, key.name):
                    again = await self._source(key)
            else:
                again = await self._invocation(key)
            result = "ok"
            return again
        except UnreadableStatusError as error:
            result = "retry"
            raise RetryError(str(error), refused=True) from error
        except ClusterError as error:
            result = "retry"
            self._remembered.forget(key)
            raise RetryError(str(error), refused=isinstance(error, InvalidError)) from error
        finally:
            self._metrics.passes.labels(key.kind, result).inc()
            self._metrics.seconds.labels(key.kind).observe(monotonic() - began)

    async def _source(self, key: Key) -> float | None:
        # Before any list of pods: a Job that has ended here has no pod that is not listed as ended.
        jobs = self._workloads.jobs_of(key.namespace, key.name)
        raw, listed = await self._with_pods(key)
        if raw is None:
            self._forget(key)
            return None
        source = await self._reader.understood_source(raw)
        invocations = await self._invocations(source)
        refused = self._executor.refused.get(key)
        pods = listed
        if pods is None:
            pods = await self._workloads.pods_of(key.namespace, key.name)
        own = [job for job in jobs if job.owner.uid == source.metadata.uid]
        no_pods = await self._workloads.why_no_pods(key, own, pods, self._now())

        def decide(pods: list[PodState]) -> Decision[SourceStatus]:
            observed = ObservedSource(
                source=source,
                installation=self._installation,
                invocations=invocations,
                jobs=jobs,
                pods=pods,
                refused=refused,
                no_pods=no_pods,
                granted=self._grants.of((key.namespace, key.name)),
            )
            return source_pass.reconcile(observed, self._now())

        decision = decide(pods)
        if listed is None and source_pass.needs_all_pods(source.status, decision.status):
            decision = decide(await self._listed_pods(key))
        await self._executor.carry_out(key, raw, decision)
        return decision.requeue_after

    async def _with_pods(self, key: Key) -> tuple[Object | None, list[PodState] | None]:
        """A Source. Where a run is about to be admitted, which needs a list of its pods, that list
        beside it, in the time of one request."""
        read = self._reader.read("Source", key.namespace, key.name)
        if not self._grants.expected((key.namespace, key.name), self._now()):
            return await read, None
        raw, listed = await asyncio.gather(read, self._listed_pods(key))
        return raw, listed

    async def _listed_pods(self, key: Key) -> list[PodState]:
        selector = f"{names.LABEL_SOURCE}={names.label_value(key.name)}"
        return await self._workloads.listed_pods(key, selector)

    async def _invocations(self, source: Source) -> list[InvocationState]:
        """The Source's Invocations, as the watch showed them. Of the active one the absence must be
        certain, for its end lets the next one start."""
        namespace, active = source.metadata.namespace, source.status.active_invocation
        known = self._cache.invocations_of(namespace, source.metadata.name)
        if active is None or any(i.uid == active.uid for i in known):
            return known
        raw = await self._reader.read("Invocation", namespace, active.name)
        if raw is not None and raw["metadata"]["uid"] == active.uid:
            return [*known, invocation_state(raw)]
        return known

    async def _invocation(self, key: Key) -> float | None:
        soon = self._grants.being_admitted(key, self._now())
        if soon:
            return soon
        raw, raw_source = await self._with_source(key)
        if raw is None:  # its Jobs go with it: they are its dependents
            self._forget(key)
            return None
        invocation = await self._reader.understood_invocation(raw)
        uid, source_name = invocation.metadata.uid or "", invocation.spec.source_ref.name
        begun = invocation.status.start_time is not None
        finished = invocation_pass.is_finished(invocation.status)
        # Before any list of pods: a Job that has ended here has no pod that is not listed as ended.
        all_jobs = self._workloads.jobs_of(key.namespace, source_name)
        jobs = [j for j in all_jobs if (j.owner.kind, j.owner.uid) == ("Invocation", uid)]
        refused = self._executor.refused.get(key)
        pods = await self._workloads.pods_of(key.namespace, source_name)
        no_pods = {}
        if not finished:
            no_pods = await self._workloads.why_no_pods(key, jobs, pods, self._now())

        runs = self._cache.invocations_of(key.namespace, source_name)
        holder = self._cache.sources.get((key.namespace, source_name))
        stops = invocation.spec.cancel or invocation.metadata.deletion_timestamp is not None
        # What has begun, or is to end, needs nothing of its Source.
        waits = not (begun or finished or stops)
        source = await self._source_of(key.namespace, source_name, raw_source) if waits else None

        def decide(pods: list[PodState]) -> Decision[InvocationStatus]:
            observed = ObservedRun(
                invocation=invocation,
                installation=self._installation,
                source=source,
                jobs=jobs,
                pods=[pod for pod in pods if pod.invocation_uid == uid],
                progress=self._progress,
                refused=refused,
                no_pods=no_pods,
                admitted=holder is not None and holder.active_uid == uid,
                ahead=queue.ahead(uid, runs) if waits else None,
                remains=remains(uid, all_jobs, pods) if waits else "",
            )
            return invocation_pass.reconcile(observed, self._now())

        decision = decide(pods)
        if begun and not finished and invocation_pass.is_finished(decision.status):
            selector = f"{names.LABEL_INVOCATION_UID}={uid}"
            decision = decide(await self._workloads.listed_pods(key, selector))
        raw = await self._executor.carry_out(key, raw, decision)
        self._remembered.written(key, raw)
        if not finished and invocation_pass.is_finished(decision.status):
            reason = decision.status.conditions[0].reason
            self._metrics.finished.labels(reason).inc()
            self._forget(key)
        return decision.requeue_after

    async def _with_source(self, key: Key) -> tuple[Object | None, Object | None]:
        """An Invocation, and beside it the Source that it will need as far as the watch knows."""
        known = self._cache.invocations.get((key.namespace, key.name))
        if known is None or known.started or not known.source or not queue.waits(known):
            return await self._reader.invocation(key), None
        return await self._reader.with_source(key, known.source)

    async def _source_of(self, namespace: str, name: str, raw: Object | None) -> Source | None:
        """The Source of a run that waits. `raw` is what was read beside the run."""
        if name and (raw is None or raw["metadata"]["name"] != name):
            raw = await self._reader.read("Source", namespace, name)
        return await self._reader.understood_source(raw) if raw is not None else None

    def _forget(self, key: Key) -> None:
        self._executor.refused.pop(key, None)
        self._remembered.forget(key)
