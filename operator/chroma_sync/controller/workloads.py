"""The Jobs and pods of Sources and Invocations: as the watches showed them, or as they are listed
right now, each under the object that really controls it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from chroma_sync.cluster.errors import ClusterError
from chroma_sync.cluster.interface import Cluster
from chroma_sync.controller import keys, owners
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key, Work
from chroma_sync.reconcile import starting
from chroma_sync.reconcile.observed import JobState, PodState, job_state, pod_state

logger = logging.getLogger(__name__)


class Workloads:
    """`wake` adds a key to the queue."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache
        self.wake: Callable[[Work], None] = lambda _: None

    def jobs_of(self, namespace: str, source: str) -> list[JobState]:
        """The Jobs of a Source and of its runs, as the watch showed them."""
        return self._cache.jobs_of(namespace, source)

    async def pods_of(self, namespace: str, source: str) -> list[PodState]:
        """The pods of a Source and of its runs, as the watch showed them."""
        return await self._owned(namespace, self._cache.pods_of(namespace, source))

    async def listed_pods(self, key: Key, selector: str) -> list[PodState]:
        """The pods that there are now, whatever the watch has shown so far. What it has not, it
        will not wake anyone for when it does: so that is done here."""
        listed = await self._cluster.pods(key.namespace, selector)
        for pod in listed:
            for other in keys.pod_changed(self._cache, pod, deleted=False):
                if other != key:
                    self.wake(other)
        return await self._owned(key.namespace, [pod_state(pod) for pod in listed])

    async def why_no_pods(
        self, key: Key, jobs: Sequence[JobState], pods: Sequence[PodState], now: datetime
    ) -> dict[str, str]:
        """What the Job controller said of Jobs that have no pod, by their names: nobody else knows
        why. Best effort: it is for people only."""
        found = {}
        for job, since in starting.unmade(jobs, pods, now):
            try:
                why = await self._cluster.why_no_pod(key.namespace, job.uid, since)
            except ClusterError as error:
                logger.warning("%s: the events of Job %s can't be read: %s", key, job.name, error)
                continue
            if why:
                found[job.name] = why
        return found

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
