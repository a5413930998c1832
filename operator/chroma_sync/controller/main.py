"""The operator's process: watch from the start, reconcile while the Lease is held."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from chroma_sync.api.meta import GROUP
from chroma_sync.cluster.client import KubernetesCluster
from chroma_sync.cluster.errors import ClusterError, LeaseLostError
from chroma_sync.cluster.interface import ListedKind
from chroma_sync.cluster.lease import Leadership
from chroma_sync.cluster.rest import connect
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.http import Health, serve
from chroma_sync.controller.key import Work
from chroma_sync.controller.metrics import Metrics
from chroma_sync.controller.namespaces import follow, permitted
from chroma_sync.controller.passes import Passes
from chroma_sync.controller.polling import Polling
from chroma_sync.controller.settings import SettingsError, load
from chroma_sync.controller.watch import Watched, on_signals, unwatched, watch
from chroma_sync.controller.workqueue import WorkQueue
from chroma_sync.reconcile.installation import Installation

SERVED_PERIOD = 1.0  # seconds
LEASE = "chroma-sync-operator"
SYNC_PERIOD = 0.2
LIST_PERIOD = 60.0
LIST_PAUSE = 0.1  # seconds between pages; the API server keeps the state of a list for minutes
LISTED: tuple[ListedKind, ...] = ("Source", "Invocation", "Job", "Pod")
SYNC_LOOKS = 25  # after so many, what exists is asked for once more

logger = logging.getLogger(__name__)


class UnwatchedError(Exception):
    """A kind is not watched: this process would be blind for it."""


def main(argv: list[str]) -> int:
    """Run until a signal comes (0) or the Lease is lost (1); 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(prog="chroma_sync.controller", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="the installation's settings")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning"])
    parser.add_argument("--host", default="", help="address to serve health and metrics on")
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=arguments.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # kopf tells of each event of each object at the level of information.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    try:
        installation = load(arguments.settings)
    except SettingsError as error:
        print(f"chroma-sync operator: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_run(installation, arguments.host))


async def _run(installation: Installation, host: str) -> int:
    rest = await connect()
    cluster = KubernetesCluster(rest)
    leadership = Leadership(rest, *_identity())
    cache, metrics, health, watched = Cache(), Metrics(), Health(), Watched()
    served, stop = asyncio.Event(), asyncio.Event()
    listed = installation.watch_namespaces
    polling = Polling(cluster.read_progress, cache)
    passes = Passes(cluster, cache, installation, metrics, polling.progress)
    # Who has many objects holds up only himself.
    queue = WorkQueue(passes.reconcile, group_of=lambda key: key.namespace)
    passes.wake = queue.add
    polling.wake = queue.add_background

    def refresh() -> None:
        metrics.depth.set(len(queue))
        metrics.leading.set(leadership.held)
        metrics.unresponsive.set(polling.unresponsive)
        metrics.count(metrics.sources, (s.reason for s in cache.sources.all()))
        metrics.count(metrics.invocations, (i.reason for i in cache.invocations.all()))

    server = await serve(health, metrics, refresh, host=host)

    async def work_when_served() -> None:
        await _wait_until_served(cluster, health)
        cluster.namespaces = await permitted(cluster, listed, health)
        served.set()
        await _work(cluster, leadership, cache, queue, polling, health, watched, listed)

    def end(_: object) -> None:
        served.set()
        stop.set()

    work = asyncio.create_task(work_when_served(), name="work")
    # A signal ends the work, and the end of the work, whatever its cause, ends the watches.
    work.add_done_callback(end)
    on_signals(work.cancel)
    try:
        await served.wait()
        if not stop.is_set():
            await watch(cache, queue.add, stop, watched, cluster.namespaces, on_signal=work.cancel)
    except Exception as error:  # kopf's own, which has logged where it came from
        logger.error("the operator ends, for a watch failed: %s", error)
        return 1
    finally:
        work.cancel()
        ended = (await asyncio.gather(work, return_exceptions=True))[0]
        await server.cleanup()
        await cluster.close()
    if isinstance(ended, asyncio.CancelledError):
        return 0
    logger.error("the operator ends: %s", ended, exc_info=ended)
    return 1


async def _work(
    cluster: KubernetesCluster,
    leadership: Leadership,
    cache: Cache,
    queue: WorkQueue[Work],
    polling: Polling,
    health: Health,
    watched: Watched,
    listed: Sequence[str],
) -> None:
    """Reconcile while the Lease is held. Ends by an exception only."""
    health.waits_for = "the Lease"
    await leadership.acquire()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep(leadership, health))
            health.waits_for = "the watches"
            await _synced(cluster, cache, watched)
            # What is there by now stays: a collector that looked at all of it again and again would
            # hold up everything for some tenths of a second.
            gc.freeze()
            logger.info("reconciling")
            health.working = True
            group.create_task(queue.run())
            group.create_task(polling.run())
            group.create_task(_drop_missing(cluster, cache, queue))
            if listed:
                group.create_task(follow(cluster, listed, cluster.namespaces))
    finally:
        health.working = False
        await leadership.release()


async def _keep(leadership: Leadership, health: Health) -> None:
    try:
        await leadership.keep()
    except LeaseLostError:
        health.lost = True
        raise


async def _wait_until_served(cluster: KubernetesCluster, health: Health) -> None:
    """Wait for the CRDs, which may come later than the operator: in a cluster that is restored, or
    from another chart. A watch that began without them would never see an object."""
    logged: frozenset[str] | None = None
    while True:
        try:
            missing = await cluster.unserved()
        except ClusterError as error:
            logger.warning("the API server could not be asked what it serves: %s", error)
            await asyncio.sleep(SERVED_PERIOD)
            continue
        if not missing:
            return
        if missing != logged:
            health.waits_for = f"the CRDs of {' and '.join(sorted(missing))}.{GROUP}"
            logger.warning("waiting for %s: install them, see crds/", health.waits_for)
            logged = missing
        await asyncio.sleep(SERVED_PERIOD)


async def _synced(cluster: KubernetesCluster, cache: Cache, watched: Watched) -> None:
    """Wait until the watches have shown all that existed when this was called. Without it the first
    passes could take an object that was not listed yet for one that is gone. Raises
    `UnwatchedError`."""
    missing_kinds = await unwatched(watched)
    if missing_kinds:
        raise UnwatchedError(f"not served when the watches began: {', '.join(missing_kinds)}")
    while True:
        try:
            there = {kind: (await cluster.list_all(kind)).places for kind in LISTED}
        except ClusterError as error:
            logger.warning("the objects could not be listed: %s", error)
            await asyncio.sleep(SYNC_PERIOD * SYNC_LOOKS)
            continue
        for _ in range(SYNC_LOOKS):
            missing = sum(len(places - cache.places(kind)) for kind, places in there.items())
            if not missing:
                return
            await asyncio.sleep(SYNC_PERIOD)
        logger.info("waiting for the watches to show %d objects", missing)


async def _drop_missing(cluster: KubernetesCluster, cache: Cache, queue: WorkQueue[Work]) -> None:
    """Forget every now and then what is gone and no watch has told of. Never returns."""
    while True:
        await asyncio.sleep(LIST_PERIOD)
        for kind in LISTED:
            try:
                there = await cluster.list_all(kind, LIST_PAUSE)
            except ClusterError as error:
                logger.warning("the objects could not be listed: %s", error)
                continue
            for key in keys.drop_missing(cache, kind, there.uids, there.version):
                queue.add(key)


def _identity() -> tuple[str, str, str]:
    """The Lease's namespace and name, and who holds it: a pod's name is its own while it lives."""
    pod = os.environ.get("POD_NAME", f"process-{os.getpid()}")
    return os.environ.get("POD_NAMESPACE", "default"), LEASE, pod
