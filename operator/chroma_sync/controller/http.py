"""The operator's own small HTTP server: health for kubelet, numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from chroma_sync.controller.metrics import CONTENT_TYPE, Metrics

PORT = 8080


@dataclass
class Health:
    """`lost`: this process must go. `working`: it holds the Lease, its watches have shown what
    there is, and it reconciles; until then it waits for `waits_for`."""

    lost: bool = False
    working: bool = False
    waits_for: str = "the API server"


async def serve(
    health: Health, metrics: Metrics, refresh: Callable[[], None], *, host: str, port: int = PORT
) -> web.AppRunner:
    """Start the server; the caller cleans the returned runner up. `refresh` brings the gauges up to
    date before they are read."""

    async def healthz(_: web.Request) -> web.Response:
        # That this answers at all shows that the loop lives.
        return _said("the Lease is lost", 503) if health.lost else _said("ok", 200)

    async def readyz(_: web.Request) -> web.Response:
        if health.working:
            return _said("ok", 200)
        return _said(f"waiting for {health.waits_for}", 503)

    async def read_metrics(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", read_metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _said(text: str, status: int) -> web.Response:
    return web.Response(text=text + "\n", status=status)
