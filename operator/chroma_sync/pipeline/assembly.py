"""Puts together what the steps of a run work with: in a pod, on a laptop, and for a plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chroma_sync.api.configuration import Configuration
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed import Model
from chroma_sync.pipeline.factory import make_connector
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal, stoppable_sleep
from chroma_sync.pipeline.secrets import NO_SECRETS, Secrets
from chroma_sync.pipeline.toolbox import Toolbox


@dataclass(frozen=True)
class RetryPolicy:
    """For how many seconds a server is asked again while it is in trouble. `on_wait` is told
    meanwhile: the trouble, then an empty text when it is over."""

    seconds: float
    sleep: Callable[[float], None] = time.sleep
    on_wait: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Surroundings:
    """What is another for a pod than on a laptop: the Secrets, how the model and the database are
    opened, and for how many seconds a server in trouble is waited for, and a host's rate limits."""

    open_model: Callable[[RetryPolicy], Model]
    open_database: Callable[[RetryPolicy], Database]
    secrets: Secrets = NO_SECRETS
    outage_seconds: float = 0.0
    rate_limit_seconds: float = 0.0


@contextmanager
def opened_tools(
    configuration: Configuration,
    surroundings: Surroundings,
    scratch: Path,
    progress: Progress,
    stop: StopSignal,
) -> Iterator[Toolbox]:
    """All that a step works with, closed at the end of the block. `stop` ends each wait, and
    `progress` is told of it."""
    sleep, seconds = stoppable_sleep(stop), surroundings.outage_seconds

    def retry(reason: Reason) -> RetryPolicy:
        return RetryPolicy(seconds, sleep, progress.waits(reason))

    host = HostRetries(surroundings.rate_limit_seconds, seconds, sleep, progress.waits)
    with ExitStack() as stack:
        connector = make_connector(configuration, scratch, stop, surroundings.secrets, host)
        stack.enter_context(closing(connector))
        model = surroundings.open_model(retry(Reason.EMBEDDING_UNAVAILABLE))
        stack.enter_context(closing(model))
        database = surroundings.open_database(retry(Reason.CHROMA_UNAVAILABLE))
        stack.enter_context(closing(database))
        yield Toolbox(configuration, connector, database, model, scratch, progress, stop)
