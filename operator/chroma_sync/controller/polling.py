"""Asks the workers how far they are: apart from the passes, which only read what they said last.

A pod that does not answer (a NetworkPolicy that denies by default) costs a connection for as long
as the reader waits. So there are two bounds: one for the pods that answered when they were asked
last, one for all others. However many do not, those that answer are asked in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chroma_sync.api.contract import Result
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Key
from chroma_sync.controller.owners import owner_of
from chroma_sync.reconcile.backoff import Backoff
from chroma_sync.reconcile.observed import PodState

PERIOD: Final = 5.0  # seconds from an answer to the next question
UNANSWERED: Final = Backoff(first=2.0, last=60.0)  # until the next question
LOOK_PERIOD: Final = 1.0  # how often pods that came and went are looked for
# Connections at once; together no more than the reader opens.
ANSWERING: Final = 24
OTHERS: Final = 40


@dataclass
class _Followed:
    """A pod that is being asked, and how many times in a row it did not answer."""

    task: asyncio.Task[None]
    unanswered: int = 0


class Polling:
    """What each pod said last is in `progress`, by its uid. `wake` is called for a key only when
    it says something new. `read` returns None for no answer, within a time of its own."""

    def __init__(
        self,
        read: Callable[[str], Awaitable[Result | None]],
        cache: Cache,
        *,
        period: float = PERIOD,
    ) -> None:
        self.progress: dict[str, Result] = {}
        self.wake: Callable[[Key], None] = lambda _: None
        self._read = read
        self._cache = cache
        self._period = period
        self._followed: dict[str, _Followed] = {}
        self._answering = asyncio.Semaphore(ANSWERING)
        self._others = asyncio.Semaphore(OTHERS)

    @property
    def unresponsive(self) -> int:
        """How many pods at work did not answer when they were asked last."""
        return sum(1 for followed in self._followed.values() if followed.unanswered)

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._look(group)
                    await asyncio.sleep(LOOK_PERIOD)
        finally:
            self._followed.clear()

    def _look(self, group: asyncio.TaskGroup) -> None:
        """Follow the pods that are at work now, and no others."""
        pods = self._cache.pods.items()
        at_work = {
            pod.uid: (namespace, pod)
            for (namespace, _), pod in pods
            if pod.at_work and self._is_of_run(namespace, pod)
        }
        for uid in self._followed.keys() - at_work.keys():
            self._followed.pop(uid).task.cancel()
        new = [uid for uid in at_work if uid not in self._followed]
        for i, uid in enumerate(new):
            # After a restart there are many at once: each begins at a moment of its own.
            follow = self._follow(*at_work[uid], self._period * i / len(new))
            self._followed[uid] = _Followed(group.create_task(follow))
        # What a pod said before it was killed is all that is known of it.
        there = {pod.uid for _, pod in pods}
        for uid in self.progress.keys() - there:
            del self.progress[uid]

    def _is_of_run(self, namespace: str, pod: PodState) -> bool:
        owner = owner_of(self._cache, namespace, pod.owner)
        return owner is not None and owner.kind == "Invocation"

    async def _follow(self, namespace: str, pod: PodState, begin_after: float) -> None:
        await asyncio.sleep(begin_after)
        answered = False
        while True:
            async with self._answering if answered else self._others:
                answer = await self._read(pod.address)
            answered = answer is not None
            await asyncio.sleep(self._take(namespace, pod, answer))

    def _take(self, namespace: str, pod: PodState, answer: Result | None) -> float:
        """Keep what a pod said. Returns for how many seconds to leave it alone."""
        followed = self._followed[pod.uid]
        if answer is None:
            followed.unanswered += 1
            return UNANSWERED.delay(followed.unanswered)
        followed.unanswered = 0
        if answer != self.progress.get(pod.uid):
            self.progress[pod.uid] = answer
            owner = owner_of(self._cache, namespace, pod.owner)
            if owner is not None:
                self.wake(owner)
        return self._period
