"""Several Invocations in one process: what fails in one is no matter of the next."""

from __future__ import annotations

import pytest

from chroma_sync.api.invocation import Invocation
from chroma_sync.api.reasons import Reason
from chroma_sync.api.source import Source
from chroma_sync.cli.run import Job, for_each
from chroma_sync.pipeline.errors import Misconfigured, Stopped, Temporary
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import NO_SECRETS
from cluster.api.invalid_objects import changed


def job(name: str) -> Job:
    invocation = Invocation.model_validate(changed("run", {"metadata.name": name}))
    return Job(Source.model_validate(changed("github", {})), invocation, NO_SECRETS)


def test_an_error_in_the_stream_of_one_does_not_stop_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[str] = []

    def action(one: Job, stop: StopSignal) -> None:
        stop.check()
        name = one.invocation.metadata.name
        done.append(name)
        if name == "first":
            error = Temporary(Reason.EMBEDDING_UNAVAILABLE, "it is down")
            stop.stop(error)  # as the stream does
            raise error
        if name == "second":
            raise Misconfigured(Reason.REF_NOT_FOUND, "no such branch")

    assert for_each([job("first"), job("second"), job("third")], action) == 75
    assert done == ["first", "second", "third"]
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "chroma-sync: Invocation/first: EmbeddingUnavailable: it is down",
        "chroma-sync: Invocation/second: RefNotFound: no such branch",
    ]


def test_a_stop_stops_them_all() -> None:
    done: list[str] = []

    def action(one: Job, stop: StopSignal) -> None:
        done.append(one.invocation.metadata.name)
        raise Stopped

    with pytest.raises(Stopped):
        for_each([job("first"), job("second")], action)
    assert done == ["first"]
