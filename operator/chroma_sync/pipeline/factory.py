"""Builds the connector a configuration asks for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.kinds.origin import run_of
from chroma_sync.pipeline.fetch import Connector, Means
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import NO_SECRETS, Secrets


def make_connector(
    configuration: Configuration,
    scratch: Path,
    stop: StopSignal,
    secrets: Secrets = NO_SECRETS,
    retries: HostRetries | None = None,
) -> Connector:
    """The connector of a run, or of a check when the configuration has no run. `stop` ends what it
    has under way; without `retries` the host is not waited for. Raises `Misconfigured`."""
    origin = configuration.origin
    run = run_of(configuration.run, type(origin)) if configuration.run else None
    kind = import_module(origin.connector)
    means = Means(scratch, stop, secrets, retries or HostRetries())
    connector: Connector = kind.connect(origin, run, means)
    return connector
