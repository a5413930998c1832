"""Carries out what a pass decided: writes the status once, then acts, then tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar, assert_never
from weakref import WeakValueDictionary

from chroma_sync.api import stored
from chroma_sync.api.invocation import InvocationStatus
from chroma_sync.api.meta import Object
from chroma_sync.api.source import SourceStatus
from chroma_sync.cluster.errors import ClusterError, InvalidError, WrongFieldsError
from chroma_sync.cluster.interface import Cluster
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache, Place
from chroma_sync.controller.key import Key, Work
from chroma_sync.controller.merge import merge_patch
from chroma_sync.reconcile.decision import (
    Action,
    CreateJob,
    Decision,
    Delete,
    Event,
    JobRejection,
    TryJob,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Executor:
    """`refused` holds, by key, the last Job that the API server did not take. `wake` adds a key to
    the queue."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self.refused: dict[Key, JobRejection] = {}
        self.wake: Callable[[Work], None] = lambda _: None
        self._cluster = cluster
        self._cache = cache
        # One for each Source: a Job of one of its runs is never made while admission looks.
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    def lock_of(self, namespace: str, source: str) -> asyncio.Lock:
        """Held while a Source admits, and while a Job of one of its runs is made."""
        return self._locks.setdefault((namespace, source), asyncio.Lock())

    async def carry_out(
        self, key: Key, raw: Object, decision: Decision[SourceStatus] | Decision[InvocationStatus]
    ) -> Object:
        """Status, then actions, then events: what was decided is never forgotten, what was told is
        always true. Returns the object as it is now."""
        stands = stored.known_status(type(decision.status), raw.get("status") or {})
        patch = merge_patch(stands, dump(decision.status))
        if patch:
            raw = await self._cluster.patch_status(key.kind, raw, patch)
            changed = keys.source_changed if key.kind == "Source" else keys.invocation_changed
            for other in changed(self._cache, raw, deleted=False):
                if other != key:
                    self.wake(other)
        try:
            for action in decision.actions:
                await self._act(key, raw, action)
        finally:
            # The status that they tell of is written, and the next pass does not repeat them.
            for event in decision.events:
                await self._tell(key, raw, event)
        return raw

    async def _tell(self, key: Key, raw: Object, event: Event) -> None:
        try:
            await self._cluster.post_event(key.kind, raw, event)
        except ClusterError as error:
            logger.warning("%s: an event could not be posted: %s", key, error)

    async def _act(self, key: Key, raw: Object, action: Action) -> None:
        match action:
            case CreateJob() if key.kind == "Invocation":
                await self._create_job_of_run(key, raw, action)
            case CreateJob():
                await self._create_config_map(key, action)
                await self._create_job(key, action)
            case TryJob():
                await self._asked(key, action, self._cluster.try_job(action.manifest))
            case Delete():
                await self._delete(key, action)
            case _:
                # A fault of the program: what nobody asked for is never done.
                assert_never(action)

    async def _delete(self, key: Key, action: Delete) -> None:
        """The ConfigMap goes only after the very Job that it was made for: another Job may have the
        name by now, and mount it."""
        gone = await self._cluster.delete(action.kind, key.namespace, action.name, action.uid)
        if gone and action.config_map:
            await self._cluster.delete_config_map(key.namespace, action.config_map)

    async def _create_job_of_run(self, key: Key, raw: Object, action: CreateJob) -> None:
        source = raw["spec"]["sourceRef"]["name"]
        async with self.lock_of(key.namespace, source):
            # Should the run be gone, its ConfigMap goes after it, for it is its owner.
            now, _ = await asyncio.gather(
                self._cluster.read("Invocation", key.namespace, key.name),
                self._create_config_map(key, action),
            )
            # Deleted meanwhile, it may have been followed by another run already.
            if _is_alive(now, raw["metadata"]["uid"]):
                await self._create_job(key, action)

    async def _create_config_map(self, key: Key, action: CreateJob) -> None:
        await self._asked(key, action, self._cluster.create_config_map(action.config_map))

    async def _create_job(self, key: Key, action: CreateJob) -> None:
        job = await self._asked(key, action, self._cluster.create_job(action.manifest))
        self.refused.pop(key, None)
        keys.job_changed(self._cache, job, deleted=False)

    async def _asked(self, key: Key, action: CreateJob | TryJob, answer: Awaitable[T]) -> T:
        """The API server's answer to a Job, or to its ConfigMap. A no is remembered: the next pass
        tells of it."""
        try:
            return await answer
        except ClusterError as error:
            # Also a webhook that fails (500). No answer, and a Job of that name, are no refusals.
            if isinstance(error, InvalidError) or error.status >= 500:
                final = isinstance(error, WrongFieldsError)
                name = action.manifest["metadata"]["name"]
                self.refused[key] = JobRejection(name, str(error), final)
            raise


def _is_alive(obj: Object | None, uid: str) -> bool:
    metadata = obj["metadata"] if obj is not None else {}
    return metadata.get("uid") == uid and "deletionTimestamp" not in metadata


def dump(status: SourceStatus | InvocationStatus) -> Object:
    """A status as it is written: what is not set is left out."""
    full = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in full.items() if value != []}
