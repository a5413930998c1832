"""Whose work an object is: found by its controller, and by that one's, up to an object of ours."""

from __future__ import annotations

from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.reconcile.observed import JobState, PodState
from chroma_sync.reconcile.owners import Reference


def job_of(cache: Cache, namespace: str, pod: PodState) -> JobState | None:
    """The Job that controls a pod, if it is known."""
    return _job(cache, namespace, pod.owner)


def owner_of(cache: Cache, namespace: str, controller: Reference) -> Key | None:
    """The Source or Invocation at the end of a chain of controllers. None while a Job in it is not
    known, which wakes its owner when it is."""
    if controller.kind == "Job":
        job = _job(cache, namespace, controller)
        return owner_of(cache, namespace, job.owner) if job is not None else None
    if controller.kind == "Source":
        return Key("Source", namespace, controller.name)
    if controller.kind == "Invocation":
        return Key("Invocation", namespace, controller.name)
    return None


def source_of(cache: Cache, key: Key) -> Key | None:
    """The Source behind an Invocation, if that is known."""
    invocation = cache.invocations.get((key.namespace, key.name))
    known = key.kind == "Invocation" and invocation is not None and invocation.source
    return Key("Source", key.namespace, invocation.source) if invocation and known else None


def _job(cache: Cache, namespace: str, controller: Reference) -> JobState | None:
    job = cache.jobs.get((namespace, controller.name))
    return job if job is not None and job.uid == controller.uid else None
