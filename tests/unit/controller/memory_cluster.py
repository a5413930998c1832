"""The API server in memory, as far as passes use it, for what no real one can be made to do at the
right moment: objects that vanish between two requests of one pass, and news that come late."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from chroma_sync.api.contract import Result, Step, encode_result
from chroma_sync.api.meta import Object
from chroma_sync.cluster.errors import ConflictError, NotFoundError
from chroma_sync.cluster.interface import Kind
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Work
from chroma_sync.reconcile.decision import Event
from chroma_sync.reconcile.observed import job_state
from unit.reconcile.build import NOW, later


class MemoryCluster:
    """`after` is called after each request with its name and the name of its object; `requests`
    counts them. `schemas` are those of the CRDs. Pods are listed as they stand in `pods_there`; the
    watch shows them by `show`."""

    def __init__(self, cache: Cache, schemas: dict[Kind, Object] | None = None) -> None:
        self.cache = cache
        self.objects: dict[tuple[str, str], Object] = {}
        self.jobs: dict[str, Object] = {}
        self.config_maps: dict[str, Object] = {}
        self._schemas = schemas or {}
        self.pods_there: list[Object] = []
        self.events: list[str] = []
        self.requests: Counter[tuple[str, str]] = Counter()
        self.after: Callable[[str, str], None] = lambda *_: None
        self.job_gate = asyncio.Event()
        self.job_gate.set()
        # Raises the error with which a Job is refused that is tried or created.
        self.refuse: Callable[[str, Object], None] = lambda *_: None
        self.why = ""  # what the Job controller tells of Jobs without pods
        self._version = 100

    def put(self, obj: Object) -> None:
        self._version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        obj = as_stored({**obj, "metadata": metadata})
        self.objects[obj["kind"], metadata["name"]] = obj
        self._tell(obj, deleted=False)

    def remove(self, kind: str, name: str) -> None:
        self._version += 1
        obj = self.objects.pop((kind, name))
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        self._tell({**obj, "metadata": metadata}, deleted=True)

    def _tell(self, obj: Object, *, deleted: bool) -> None:
        changed = keys.source_changed if obj["kind"] == "Source" else keys.invocation_changed
        changed(self.cache, obj, deleted=deleted)

    def end_job(self, name: str, condition: str, **more: Any) -> None:
        """The watch shows that a Job has ended."""
        self._version += 1
        job = self.jobs[name]
        metadata = {**job["metadata"], "resourceVersion": str(self._version)}
        ended = {"conditions": [{"type": condition, "status": "True", **more}]}
        self.jobs[name] = {**job, "metadata": metadata, "status": ended}
        keys.job_changed(self.cache, self.jobs[name], deleted=False)

    def pod(self, job: Object, **status: Any) -> Object:
        """A pod of a Job as it stands now: the next call gives a newer version of it."""
        self._version += 1
        metadata = {
            "name": f"{job['metadata']['name']}-0",
            "namespace": "team",
            "uid": f"uid-{job['metadata']['name']}-0",
            "resourceVersion": str(self._version),
            "creationTimestamp": NOW.isoformat(),
            "labels": job["metadata"]["labels"],
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": job["metadata"]["name"],
                    "uid": job["metadata"]["uid"],
                    "controller": True,
                }
            ],
        }
        return {"metadata": metadata, "status": {"phase": "Running", "podIP": "10.0.0.1", **status}}

    def show(self, pod: Object, *, deleted: bool = False) -> list[Work]:
        """The watch shows a pod. Returns whom that wakes."""
        return keys.pod_changed(self.cache, pod, deleted=deleted)

    def made(self, step: Step) -> Object:
        """The Job of a step."""
        (job,) = [
            job
            for job in self.jobs.values()
            if job["metadata"]["labels"]["chromasync.dev/step"] == step
        ]
        return job

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        self.requests["read", kind] += 1
        await asyncio.sleep(0)
        return self.objects.get((kind, name))

    async def read_job(self, namespace: str, name: str) -> Object | None:
        self.requests["read", "Job"] += 1
        return self.jobs.get(name)

    async def schema(self, kind: Kind) -> Object:
        self.requests["read", "schema"] += 1
        return self._schemas[kind]

    async def patch_status(self, kind: Kind, obj: Object, status: Object) -> Object:
        self.requests["patch_status", kind] += 1
        await asyncio.sleep(0)
        name = obj["metadata"]["name"]
        stands = self.objects.get((kind, name))
        if stands is None:
            raise NotFoundError(404, name)
        if stands["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise ConflictError(409, name)
        self.put({**stands, "status": merged(stands.get("status") or {}, status)})
        patched = self.objects[kind, name]
        self.after("patch_status", name)
        return patched

    async def create_job(self, job: Object) -> Object:
        self.requests["create", "Job"] += 1
        await self.job_gate.wait()
        self.refuse("create", job)
        self._version += 1
        name = job["metadata"]["name"]
        if name in self.jobs:
            if job_state(self.jobs[name]).owner != job_state(job).owner:
                raise ConflictError(409, f'jobs.batch "{name}" already exists')
            return self.jobs[name]
        made = {"uid": f"uid-{name}-{self._version}", "resourceVersion": str(self._version)}
        created = {"creationTimestamp": NOW.isoformat()}
        self.jobs[name] = as_stored({**job, "metadata": {**job["metadata"], **made, **created}})
        self.after("create_job", name)
        return self.jobs[name]

    async def create_config_map(self, config_map: Object) -> None:
        self.requests["create", "ConfigMap"] += 1
        self.refuse("create", config_map)
        # One that is there stays, whatever it holds.
        self.config_maps.setdefault(config_map["metadata"]["name"], as_stored(config_map))

    async def delete_config_map(self, namespace: str, name: str) -> None:
        self.requests["delete", "ConfigMap"] += 1
        self.config_maps.pop(name, None)

    async def try_job(self, job: Object) -> None:
        self.requests["try", "Job"] += 1
        self.refuse("try", job)

    async def why_no_pod(self, namespace: str, uid: str, since: datetime) -> str:
        self.requests["list", "Event"] += 1
        return self.why

    async def delete(
        self, kind: Literal["Job", "Invocation"], namespace: str, name: str, uid: str
    ) -> bool:
        self.requests["delete", kind] += 1
        there = self.jobs.get(name) if kind == "Job" else self.objects.get((kind, name))
        if there is None or there["metadata"]["uid"] != uid:
            return False
        if kind == "Invocation":
            self.remove(kind, name)
            return True
        self._version += 1
        job = self.jobs.pop(name)
        metadata = {**job["metadata"], "resourceVersion": str(self._version)}
        keys.job_changed(self.cache, {**job, "metadata": metadata}, deleted=True)
        return True

    async def pods(self, namespace: str, selector: str) -> list[Object]:
        self.requests["list", "Pod"] += 1
        return self.pods_there

    async def post_event(self, kind: Kind, obj: Object, event: Event) -> None:
        self.events.append(event.reason)

    async def read_progress(self, address: str) -> Result | None:
        raise AssertionError("a pass asks no pod")


def as_stored(obj: Object) -> Object:
    """An object as the API server gives it back: with the keys of its maps sorted."""
    stored: Object = json.loads(json.dumps(obj, sort_keys=True))
    return stored


def merged(old: Object, patch: Object) -> Object:
    """What a merge patch makes."""
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            both = isinstance(value, dict) and isinstance(new.get(key), dict)
            new[key] = merged(new[key], value) if both else value
    return new


def ended(result: Result, code: int = 0) -> Object:
    """The status of a pod whose worker ended with a result."""
    terminated = {
        "exitCode": code,
        "reason": "Error" if code else "Completed",
        "message": encode_result(result).decode(),
        "finishedAt": later(5).isoformat(),
    }
    return {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{"name": "worker", "state": {"terminated": terminated}}],
    }
