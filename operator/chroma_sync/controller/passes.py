"""A pass: read what is, have it decided, carry it out.

Jobs and pods are as the watches showed them. What stands on pods that are not there is decided
again with pods that are listed right then: a run ends, a check fails, the next run is admitted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from chroma_sync.api import stored
from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import Invocation, InvocationStatus
from chroma_sync.api.meta import Object
from chroma_sync.api.source import Source, SourceStatus
from chroma_sync.api.stored import UnreadableStatusError
from chroma_sync.cluster.errors import ClusterError, InvalidError
from chroma_sync.cluster.interface import Cluster, Kind
from chroma_sync.controller import keys, owners
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.executor import Executor
from chroma_sync.controller.grants import Grants
from chroma_sync.controller.key import Admission, Key, Work
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.remembered import Remembered
from chroma_sync.controller.schemas import Schemas
from chroma_sync.controller.workqueue import RetryError
from chroma_sync.reconcile import invocation as invocation_pass
from chroma_sync.reconcile import names, starting
from chroma_sync.reconcile import source as source_pass
from chroma_sync.reconcile.admission import queue
from chroma_sync.reconcile.admission.handover import remains
from chroma_sync.reconcile.inputs import ObservedRun, ObservedSource
from chroma_sync.reconcile.installation import Installation
from chroma_sync.reconcile.observed import (
    InvocationState,
    JobState,
    PodState,
    invocation_state,
    job_state,
    pod_state,
)
from chroma_sync.reconcile.plan import Plan

logger = logging.getLogger(__name__)


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
        self._cluster = cluster
        self._cache = cache
        self._installation = installation
        self._metrics = metrics
        self._progress = progress
        self._now = now
        self._executor = Executor(cluster, cache)
        self._grants = Grants(cache)
        self._remembered = Remembered(cache)
        self._schemas = Schemas(cluster)
        self.wake: Callable[[Work], None] = lambda _: None
        self._executor.wake = lambda key: self.wake(key)

    async def reconcile(self, work: Work) -> float | None:
        """One pass. Returns when to come again, in seconds. Raises `RetryError` for what another
        try may mend."""
        if isinstance(work, Admission):
            for source in self._grants.decide():
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
        raw = await self._read_now("Source", key.namespace, key.name)
        if raw is None:
            self._forget(key)
            return None
        source = await self._understood_source(raw)
        invocations = await self._invocations(source)
        jobs = self._cache.jobs_of(key.namespace, key.name)
        refused = self._executor.refused.get(key)
        known = self._cache.pods_of(key.namespace, key.name)
        pods = await self._owned(key.namespace, known)
        own = [job for job in jobs if job.owner.uid == source.metadata.uid]
        no_pods = await self._why_no_pods(key, own, pods)

        def decide(pods: list[PodState]) -> Plan[SourceStatus]:
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

        plan = decide(pods)
        if source_pass.needs_all_pods(source.status, plan.status):
            selector = f"{names.LABEL_SOURCE}={names.label_value(key.name)}"
            plan = decide(await self._listed_pods(key, selector))
        await self._executor.carry_out(key, raw, plan)
        return plan.requeue_after

    async def _invocations(self, source: Source) -> list[InvocationState]:
        """The Source's Invocations, as the watch showed them. Of the active one the absence must be
        certain, for its end lets the next one start."""
        namespace, active = source.metadata.namespace, source.status.active_invocation
        known = self._cache.invocations_of(namespace, source.metadata.name)
        if active is None or any(i.uid == active.uid for i in known):
            return known
        raw = await self._read_now("Invocation", namespace, active.name)
        if raw is not None and raw["metadata"]["uid"] == active.uid:
            return [*known, invocation_state(raw)]
        return known

    async def _invocation(self, key: Key) -> float | None:
        raw = await self._read(key)
        if raw is None:  # its Jobs go with it: they are its dependents
            self._forget(key)
            return None
        invocation = await self._understood_invocation(raw)
        uid, source_name = invocation.metadata.uid or "", invocation.spec.source_ref.name
        begun = invocation.status.start_time is not None
        finished = invocation_pass.is_finished(invocation.status)
        # Before any list of pods: a Job that has ended here has no pod that is not listed as ended.
        all_jobs = self._cache.jobs_of(key.namespace, source_name)
        jobs = [j for j in all_jobs if (j.owner.kind, j.owner.uid) == ("Invocation", uid)]
        refused = self._executor.refused.get(key)
        known = self._cache.pods_of(key.namespace, source_name)
        pods = await self._owned(key.namespace, known)
        no_pods = await self._why_no_pods(key, jobs, pods) if not finished else {}

        runs = self._cache.invocations_of(key.namespace, source_name)
        holder = self._cache.sources.get((key.namespace, source_name))
        stops = invocation.spec.cancel or invocation.metadata.deletion_timestamp is not None
        # What has begun, or is to end, needs nothing of its Source.
        waits = not (begun or finished or stops)
        source = await self._read_source(key.namespace, source_name) if waits else None

        def decide(pods: list[PodState]) -> Plan[InvocationStatus]:
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

        plan = decide(pods)
        if begun and not finished and invocation_pass.is_finished(plan.status):
            plan = decide(await self._listed_pods(key, f"{names.LABEL_INVOCATION_UID}={uid}"))
        raw = await self._executor.carry_out(key, raw, plan)
        self._remembered.written(key, raw)
        if not finished and invocation_pass.is_finished(plan.status):
            reason = plan.status.conditions[0].reason
            self._metrics.finished.labels(reason).inc()
            self._forget(key)
        return plan.requeue_after

    async def _read(self, key: Key) -> Object | None:
        """The Invocation. One whose run is going is remembered."""
        known = self._remembered.get(key)
        if known is not None:
            return known
        raw = await self._read_now("Invocation", key.namespace, key.name)
        if raw is not None and _is_going(raw):
            self._remembered.read(key, raw)
        return raw

    async def _read_source(self, namespace: str, name: str) -> Source | None:
        raw = await self._read_now("Source", namespace, name) if name else None
        return await self._understood_source(raw) if raw is not None else None

    async def _understood_source(self, raw: Object) -> Source:
        unknown = stored.has_unknown(Source, raw)
        return stored.source(raw, await self._schemas.of("Source") if unknown else None)

    async def _understood_invocation(self, raw: Object) -> Invocation:
        # Of a run that goes the spec does not matter any more.
        needs_schema = not _is_going(raw) and stored.has_unknown(Invocation, raw)
        schema = await self._schemas.of("Invocation") if needs_schema else None
        return stored.invocation(raw, schema)

    async def _read_now(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object. Never another one than was asked for: a pass acts on what it read."""
        raw = await self._cluster.read(kind, namespace, name)
        if raw is not None:
            metadata = raw["metadata"]
            found = (raw["kind"], metadata["namespace"], metadata["name"])
            if found != (kind, namespace, name):
                raise ClusterError(0, f"asked for {kind} {namespace}/{name}, got {found}")
        return raw

    async def _owned(self, namespace: str, pods: list[PodState]) -> list[PodState]:
        """The pods that count, each under the run that its Job says. Where the Job is gone its
        label does, until Kubernetes has ended the pod. Those of foreign Jobs are left out."""
        read: dict[str, JobState | None] = {}  # by uid
        owned = []
        for pod in pods:
            job = owners.job_of(self._cache, namespace, pod)
            if job is None and pod.owner.uid:
                # Gone, or without our labels: no watch tells which.
                if pod.owner.uid not in read:
                    read[pod.owner.uid] = await self._read_job(namespace, pod)
                job = read[pod.owner.uid]
                owned += [pod] if job is None else []
            if job is not None and job.owner.uid:
                uid = job.owner.uid if job.owner.kind == "Invocation" else ""
                owned.append(replace(pod, invocation_uid=uid))
        return owned

    async def _read_job(self, namespace: str, pod: PodState) -> JobState | None:
        """The Job that controls a pod; None when it is gone."""
        raw = await self._cluster.read_job(namespace, pod.owner.name)
        return job_state(raw) if raw and raw["metadata"]["uid"] == pod.owner.uid else None

    async def _why_no_pods(
        self, key: Key, jobs: list[JobState], pods: list[PodState]
    ) -> dict[str, str]:
        """What the Job controller said of Jobs that have no pod, by their names: nobody else knows
        why. Best effort: it is for people only."""
        found = {}
        for job, since in starting.unmade(jobs, pods, self._now()):
            try:
                why = await self._cluster.why_no_pod(key.namespace, job.uid, since)
            except ClusterError as error:
                logger.warning("%s: the events of Job %s can't be read: %s", key, job.name, error)
                continue
            if why:
                found[job.name] = why
        return found

    async def _listed_pods(self, key: Key, selector: str) -> list[PodState]:
        """The pods that there are now, whatever the watch has shown so far. What it has not, it
        will not wake anyone for when it does: so that is done here."""
        listed = await self._cluster.pods(key.namespace, selector)
        for pod in listed:
            for other in keys.pod_changed(self._cache, pod, deleted=False):
                if other != key:
                    self.wake(other)
        return await self._owned(key.namespace, [pod_state(pod) for pod in listed])

    def _forget(self, key: Key) -> None:
        self._executor.refused.pop(key, None)
        self._remembered.forget(key)


def _is_going(invocation: Object) -> bool:
    status = invocation.get("status") or {}
    return "startTime" in status and "completionTime" not in status
