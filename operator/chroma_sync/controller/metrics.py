"""What Prometheus reads of the operator."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The operator's own numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.passes = Counter(
            "chroma_sync_reconcile_total",
            "Reconcile passes.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "chroma_sync_reconcile_seconds",
            "Duration of reconcile passes.",
            ["kind"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
            registry=self.registry,
        )
        self.depth = Gauge(
            "chroma_sync_queue_depth", "Keys that wait for a pass.", registry=self.registry
        )
        self.leading = Gauge(
            "chroma_sync_leading", "1 while this process holds the Lease.", registry=self.registry
        )
        self.unresponsive = Gauge(
            "chroma_sync_unresponsive_pods",
            "Pods of runs that do not say how far they are, such as for a NetworkPolicy.",
            registry=self.registry,
        )
        self.sources = Gauge(
            "chroma_sync_sources",
            "Sources by the reason of their Ready condition.",
            ["reason"],
            registry=self.registry,
        )
        self.invocations = Gauge(
            "chroma_sync_invocations",
            "Invocations by the reason of their Succeeded condition.",
            ["reason"],
            registry=self.registry,
        )
        self.finished = Counter(
            "chroma_sync_invocations_finished_total",
            "Invocations that ended, by the reason.",
            ["reason"],
            registry=self.registry,
        )

    def count(self, gauge: Gauge, reasons: Iterable[str]) -> None:
        """Set a gauge to how often each reason stands there."""
        gauge.clear()
        for reason in reasons:
            gauge.labels(reason or "New").inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)
