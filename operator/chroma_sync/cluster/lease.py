"""The Lease that makes one operator process at a time do the work.

The rules are client-go's: a holder that has not renewed for the Lease's duration, seen by the
watcher's own clock, has lost it. Source: k8s.io/client-go/tools/leaderelection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from chroma_sync.cluster import paths
from chroma_sync.cluster.errors import ClusterError, ConflictError, LeaseLostError, NotFoundError
from chroma_sync.cluster.rest import Rest

logger = logging.getLogger(__name__)

DURATION = 15  # seconds after the last renewal for which a Lease holds
# Seconds after the start of its last good write after which the holder itself gives up: what it
# still has under way then ends before anyone can follow.
RENEW_DEADLINE = 10.0
RETRY_PERIOD = 2.0


class Leadership:
    """Holds one Lease for `identity`, a name that no other running process has."""

    def __init__(
        self,
        rest: Rest,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rest = rest
        self._name = name
        self._collection = paths.collection(paths.COORDINATION, namespace, "leases")
        self._path = paths.item(paths.COORDINATION, namespace, "leases", name)
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._observed: tuple[Any, ...] = ()
        self._observed_at = 0.0
        self._missing_since: float | None = None
        self._lease: dict[str, Any] | None = None
        self._renewed = 0.0

    @property
    def held(self) -> bool:
        return self._lease is not None

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        waiting = False
        while not await self._try_acquire():
            if not waiting:
                logger.info("waiting for the Lease %s/%s", self._namespace, self._name)
                waiting = True
            await asyncio.sleep(RETRY_PERIOD)
        logger.info("holding the Lease %s/%s", self._namespace, self._name)

    async def keep(self) -> None:
        """Renew until the Lease is lost. Raises `LeaseLostError`; never returns."""
        while (left := self._left()) > 0:
            next_try = self._clock() + RETRY_PERIOD  # at once after a slow one
            try:
                async with asyncio.timeout(min(RENEW_DEADLINE / 2, left)):
                    await self._renew()
            except (ClusterError, TimeoutError) as error:
                logger.warning("the Lease could not be renewed: %s", _said(error))
            await asyncio.sleep(min(next_try - self._clock(), self._left()))
        self._lease = None
        raise LeaseLostError(f"the Lease was not renewed for {RENEW_DEADLINE:.0f} s")

    async def release(self) -> None:
        """Give the Lease up, so that the next process need not wait for its end."""
        if self._lease is None:
            return
        try:
            async with asyncio.timeout(RETRY_PERIOD):
                await self._release()
        except (LeaseLostError, NotFoundError):
            pass  # there is nothing left to give up
        except (ClusterError, TimeoutError) as error:
            logger.warning("the Lease could not be released: %s", _said(error))
        self._lease = None

    async def _release(self) -> None:
        given_up = {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._write(given_up)
        except ConflictError:
            # Often our own last renewal, whose answer nobody waited for any more.
            await self._check_still_ours()
            await self._write(given_up)

    async def _try_acquire(self) -> bool:
        try:
            lease = await self._rest.get(self._path)
        except NotFoundError:
            return self._is_long_missing() and await self._create()
        except ClusterError as error:
            logger.warning("the Lease could not be read: %s", error)
            return False
        self._missing_since = None
        spec = lease.get("spec") or {}
        observed = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if observed != self._observed:
            self._observed, self._observed_at = observed, self._clock()
        holder = spec.get("holderIdentity") or ""
        duration = spec.get("leaseDurationSeconds") or DURATION
        if holder not in ("", self._identity) and self._clock() - self._observed_at < duration:
            return False
        self._lease = lease
        try:
            async with asyncio.timeout(RENEW_DEADLINE):
                await self._write(self._spec(acquired=_now()))
        except (ClusterError, TimeoutError) as error:
            logger.info("the Lease could not be taken: %s", _said(error))
            self._lease = None
        return self._lease is not None

    def _is_long_missing(self) -> bool:
        """Whether the Lease can be made: if somebody deleted it, its holder has found that by now.
        The chart makes one too, so that an installation waits for nothing."""
        if self._missing_since is None:
            self._missing_since = self._clock()
        return self._clock() - self._missing_since >= RENEW_DEADLINE

    async def _create(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec(acquired=_now()),
        }
        started = self._clock()
        try:
            async with asyncio.timeout(RENEW_DEADLINE):
                self._lease = await self._rest.post(self._collection, body)
            self._renewed = started
        except (ClusterError, TimeoutError) as error:
            logger.info("the Lease could not be made: %s", _said(error))
        return self._lease is not None

    def _left(self) -> float:
        """Seconds until the holder must give up."""
        return self._renewed + RENEW_DEADLINE - self._clock()

    async def _renew(self) -> None:
        """Write once. Raises `LeaseLostError` for another holder."""
        try:
            await self._write(self._spec(acquired=None))
        except (ConflictError, NotFoundError):
            await self._check_still_ours()

    async def _check_still_ours(self) -> None:
        """Somebody else wrote, or deleted. That is harmless only if the holder is still us."""
        try:
            lease = await self._rest.get(self._path)
        except NotFoundError:
            lease = {}
        except ClusterError as error:
            logger.warning("the Lease could not be read: %s", error)
            return
        holder = (lease.get("spec") or {}).get("holderIdentity")
        if holder != self._identity:
            self._lease = None
            raise LeaseLostError(f"the Lease is held by {holder or 'nobody'} now")
        self._lease = lease

    def _spec(self, acquired: str | None) -> dict[str, Any]:
        spec = dict((self._lease or {}).get("spec") or {})
        if acquired is not None:
            spec["acquireTime"] = acquired
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        return spec | {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION,
            "renewTime": _now(),
        }

    async def _write(self, spec: dict[str, Any]) -> None:
        """Replace the Lease that was last read. Raises `ConflictError` if it changed since."""
        body = dict(self._lease or {}) | {"spec": spec}
        # Others count from the write itself, which may be long before its answer.
        started = self._clock()
        self._lease = await self._rest.put(self._path, body)
        self._renewed = started


def _said(error: Exception) -> str:
    return str(error) or "no answer in time"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
