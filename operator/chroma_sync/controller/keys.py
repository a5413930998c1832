"""Which keys a change of an object wakes."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from chroma_sync.api.meta import Object
from chroma_sync.cluster.interface import ListedKind
from chroma_sync.controller.cache import Cache, Place
from chroma_sync.controller.key import ADMISSION, Key, Work
from chroma_sync.controller.owners import owner_of, source_of
from chroma_sync.reconcile.admission import queue
from chroma_sync.reconcile.observed import (
    InvocationState,
    JobState,
    PodState,
    SourceState,
    invocation_state,
    job_state,
    pod_state,
    source_state,
)
from chroma_sync.reconcile.owners import NOBODY, Reference


def source_changed(cache: Cache, source: Object, *, deleted: bool) -> list[Work]:
    """Keep a Source's news. Those of its Invocations look again whom the news can concern."""
    place, uid, version = _identity(source)
    before = cache.sources.get(place)
    if deleted:
        return [*waiting(cache, place)] if cache.sources.remove(place, uid, version) else []
    state = source_state(source)
    if not cache.sources.put(place, uid, version, state, place):
        return []
    if before is not None and replace(before, active_uid=state.active_uid) == state:
        # Only the admitted one has anything to do: a queue may be long.
        found: list[Work] = [Key("Source", *place), *waiting(cache, place, uid=state.active_uid)]
    else:
        found = [Key("Source", *place), *waiting(cache, place)]
    return [ADMISSION, *found] if _lets_others_start(before, state) else found


def _lets_others_start(before: SourceState | None, state: SourceState) -> bool:
    """Whether it has to be decided again who may start. A run that becomes the active one takes the
    place that it was granted."""
    if before is None or before.startable != state.startable:
        return True
    return bool(before.active_uid) and not state.active_uid


def waiting(cache: Cache, source: Place, uid: str | None = None) -> list[Key]:
    """The keys of a Source's Invocations that have not finished, or of one of them."""
    namespace, name = source
    states = cache.invocations_of(namespace, name)
    return [
        Key("Invocation", namespace, s.name)
        for s in states
        if not s.finished and uid in (None, s.uid)
    ]


def invocation_changed(cache: Cache, invocation: Object, *, deleted: bool) -> list[Work]:
    """Keep an Invocation's news. Another one may start now."""
    place, uid, version = _identity(invocation)
    state = invocation_state(invocation)
    source, before = (place[0], state.source), cache.invocations.get(place)
    if deleted:
        news = cache.invocations.remove(place, uid, version)
    else:
        news = cache.invocations.put(place, uid, version, state, source)
    if not news:
        return []
    found = _of_invocation(cache, place, state)
    # All runs are looked at then: not for news that is none to them.
    same = before is not None and queue.turn_state(before) == queue.turn_state(state)
    return found if same and not deleted else [ADMISSION, *found]


def job_changed(cache: Cache, job: Object, *, deleted: bool) -> list[Work]:
    """Keep a Job's news. It wakes its owner; its end may also let the Source's next run start."""
    place, uid, version = _identity(job)
    state = job_state(job)
    if deleted:
        news = cache.jobs.remove(place, uid, version)
    else:
        news = cache.jobs.put(place, uid, version, state, _group(place, state.source, state.owner))
    return _of_job(cache, place[0], state, deleted=deleted) if news else []


def pod_changed(cache: Cache, pod: Object, *, deleted: bool) -> list[Work]:
    """Keep a pod's news. It wakes the owner of the pod's Job."""
    place, uid, version = _identity(pod)
    state = pod_state(pod)
    if deleted:
        news = cache.pods.remove(place, uid, version)
    else:
        news = cache.pods.put(place, uid, version, state, _group(place, state.source, state.owner))
    return _of_pod(cache, place[0], state) if news else []


def drop_missing(cache: Cache, kind: ListedKind, there: Set[str], version: int) -> list[Work]:
    """Forget what a list of all uids of a kind, read at a version, lacks: the watch had a gap when
    it was deleted. Returns the keys that its end wakes."""
    if kind == "Source":
        lost_sources = cache.sources.drop_missing(there, version)
        return [key for place, _ in lost_sources for key in waiting(cache, place)]
    if kind == "Invocation":
        lost = cache.invocations.drop_missing(there, version)
        found = [key for place, state in lost for key in _of_invocation(cache, place, state)]
        return [ADMISSION, *found] if found else []
    if kind == "Pod":
        lost_pods = cache.pods.drop_missing(there, version)
        return [key for place, state in lost_pods for key in _of_pod(cache, place[0], state)]
    lost_jobs = cache.jobs.drop_missing(there, version)
    return [
        key for place, state in lost_jobs for key in _of_job(cache, place[0], state, deleted=True)
    ]


def _of_invocation(cache: Cache, place: Place, state: InvocationState) -> list[Work]:
    """The run, its Source, and the run right behind it, which says whom it waits for."""
    found: list[Work] = [Key("Invocation", *place), Key("Source", place[0], state.source)]
    behind = queue.follower(state, cache.invocations_of(place[0], state.source))
    return [*found, Key("Invocation", place[0], behind)] if behind else found


def _of_job(cache: Cache, namespace: str, state: JobState, *, deleted: bool) -> list[Work]:
    owner = owner_of(cache, namespace, state.owner)
    if owner is None:
        return []
    source = source_of(cache, owner) if deleted else None
    return [owner, source] if source is not None else [owner]


def _of_pod(cache: Cache, namespace: str, state: PodState) -> list[Work]:
    owner = owner_of(cache, namespace, state.owner)
    return [owner] if owner is not None else []


def _group(place: Place, source: str, owner: Reference) -> Place:
    """By which Source an object is looked up. The label of one that nothing of ours controls says
    nothing: it is kept apart, only so that all that a list shows is known."""
    return place[0], source if owner != NOBODY else ""


def _identity(obj: Object) -> tuple[Place, str, int]:
    metadata = obj["metadata"]
    place = (metadata["namespace"], metadata["name"])
    return place, metadata["uid"], int(metadata["resourceVersion"])
