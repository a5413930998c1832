"""The watches: kopf lists and watches four kinds, and each event ends in the cache and the queue.

Only `on.event` handlers, without daemons, timers, indexes or change detection: so kopf writes
nothing to any object, neither finalizers nor annotations.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final

import kopf

# kopf takes one, and exports no name for it.
from kopf._cogs.structs.references import Insights

from chroma_sync.api.meta import GROUP, VERSION
from chroma_sync.controller import keys
from chroma_sync.controller.cache import Cache
from chroma_sync.controller.key import Work
from chroma_sync.reconcile.names import LABEL_SOURCE

WATCHED: Final = frozenset(
    {
        (GROUP, VERSION, "sources"),
        (GROUP, VERSION, "invocations"),
        ("batch", "v1", "jobs"),
        ("", "v1", "pods"),
    }
)

_IDENTITY: Any = "chroma-sync"  # of a type that kopf does not export

Watched = Insights  # where kopf keeps what it watches

logger = logging.getLogger(__name__)


async def watch(
    cache: Cache,
    add: Callable[[Work], None],
    stop: asyncio.Event,
    watched: Watched,
    namespaces: Sequence[str],
    *,
    on_signal: Callable[[], object],
) -> None:
    """Watch some namespaces, all when none is named, until `stop` is set. What is watched stands in
    `watched`. At its end kopf waits for each task that was started later than this call, so these
    end before.

    kopf looks once for the kinds that it shall watch. A watch whose kind goes away ends the call
    with an exception."""
    mine = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=_registry(cache, add),
        settings=_settings(),
        insights=watched,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
        # Only of use to kopf's peering, which is off. Without it kopf asks for the user's name, and
        # in the image there is none.
        identity=_IDENTITY,
    )
    # kopf has taken them. It would end the watches first, and only then what depends on them.
    on_signals(on_signal)
    await kopf.run_tasks(tasks, ignored=mine)


def on_signals(call: Callable[[], object]) -> None:
    """Call this when the process is asked to end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, call)


async def unwatched(watched: Watched) -> frozenset[str]:
    """Wait until kopf has looked for the kinds. Returns those of ours that it did not find, and so
    will never watch."""
    await watched.ready_resources.wait()
    found = {(r.group, r.version, r.plural) for r in watched.watched_resources}
    return frozenset(plural for group, version, plural in WATCHED - found)


def _registry(cache: Cache, add: Callable[[Work], None]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    def handler(changed: Callable[..., list[Work]]) -> Callable[..., Any]:
        async def handle(event: Any, **_: Any) -> None:
            deleted = event["type"] == "DELETED"
            for key in changed(cache, dict(event["object"]), deleted=deleted):
                add(key)

        return handle

    def on(*resource: str, id: str, changed: Callable[..., list[Work]], **options: Any) -> None:
        kopf.on.event(*resource, id=id, registry=registry, **options)(handler(changed))

    on(GROUP, VERSION, "sources", id="source", changed=keys.source_changed)
    on(GROUP, VERSION, "invocations", id="invocation", changed=keys.invocation_changed)
    on("batch", "v1", "jobs", id="job", changed=keys.job_changed)
    on("", "v1", "pods", id="pod", changed=keys.pod_changed)
    kopf.on.login(registry=registry, id="login")(_login)
    return registry


def _login(**options: Any) -> kopf.ConnectionInfo | None:
    in_cluster = kopf.login_with_service_account(**options)
    return in_cluster or kopf.login_with_kubeconfig(**options)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the kinds are known: no right to list CRDs and namespaces
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 10.0
    settings.watching.connect_timeout = 10.0
    # Each watch is renewed after a while, whatever a dead connection pretends.
    settings.watching.server_timeout = 290
    settings.watching.client_timeout = 300
    settings.watching.chunk_size = 500
    settings.watching.label_selectors["batch", "v1", "jobs"] = LABEL_SOURCE
    settings.watching.label_selectors["", "v1", "pods"] = LABEL_SOURCE
    settings.queueing.exit_timeout = 1.0
    settings.process.ultimate_exiting_timeout = 15.0
    return settings
