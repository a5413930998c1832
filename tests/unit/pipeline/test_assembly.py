"""What a step works with is opened in one way, told of, and closed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.assembly import RetryPolicy, Surroundings, opened_tools
from chroma_sync.pipeline.errors import Stopped, Temporary
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel

MakeTools = Callable[..., Toolbox]


class _Model(HashModel):
    def __init__(self) -> None:
        super().__init__(dimension=16)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_what_is_open_is_closed_when_the_next_can_not_be_opened(
    make_tools: MakeTools, tmp_path: Path
) -> None:
    model, progress, stop = _Model(), Progress(), StopSignal()

    def down(retry: RetryPolicy) -> Database:
        retry.on_wait("the server is down")
        raise Temporary(Reason.CHROMA_UNAVAILABLE, "still down")

    surroundings = Surroundings(lambda _: model, down)
    configuration = make_tools().configuration
    with pytest.raises(Temporary, match="still down"):
        with opened_tools(configuration, surroundings, tmp_path, progress, stop):
            raise AssertionError("opened")
    assert model.closed == 1
    assert progress.result().message == "the server is down"


def test_a_stop_ends_a_wait(make_tools: MakeTools, tmp_path: Path) -> None:
    model, stop, given = _Model(), StopSignal(), make_tools()
    policies: list[RetryPolicy] = []

    def open_database(retry: RetryPolicy) -> Database:
        policies.append(retry)
        return given.database

    surroundings = Surroundings(lambda _: model, open_database, outage_seconds=7.0)
    with opened_tools(given.configuration, surroundings, tmp_path, Progress(), stop) as tools:
        assert (tools.model, tools.database, model.closed) == (model, given.database, 0)
        stop.stop()
        with pytest.raises(Stopped):
            policies[0].sleep(60)
    assert (policies[0].seconds, model.closed) == (7.0, 1)
