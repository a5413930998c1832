"""Whether a run may go on, and what it asks of whom to know it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.run import Run, done, resume, start
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from unit.pipeline.stored import metadata

MakeTools = Callable[..., Toolbox]


def lost(ask: Callable[[], object]) -> StepError:
    """What a run says that has lost its collection."""
    with pytest.raises(StepError) as caught:
        ask()
    assert caught.value.reason is Reason.RUN_LOST
    return caught.value


def test_it_is_its_own_until_another_run_takes_over(make_tools: MakeTools) -> None:
    steps.plan(make_tools(run="one"))
    one = start(make_tools(run="one"))
    assert one.own().name == "target"
    steps.plan(make_tools(run="two"))
    assert isinstance(lost(one.own), Misconfigured)
    assert "another run" in str(lost(one.begin_attempt))


def test_of_two_attempts_the_last_one_goes_on(make_tools: MakeTools) -> None:
    steps.plan(make_tools(run="r"))
    first, second = (start(make_tools(run="r")) for _ in range(2))
    first.begin_attempt()
    assert first.own().name == second.own().name == "target"
    second.begin_attempt()
    second.own()
    for ask in (first.own, first.mark_finished):
        assert isinstance(lost(ask), Temporary)
    assert "finished_ingest" not in metadata(make_tools())


def test_a_run_that_is_done_goes_on_no_more(make_tools: MakeTools) -> None:
    tools = make_tools(run="r")
    steps.plan(tools)
    first, second = start(tools), start(make_tools(run="r"))
    assert done(tools) is None
    first.begin_attempt()
    first.mark_finished()
    for run in (first, second):
        assert "has finished 'target'" in str(lost(run.own))
    assert (found := done(tools)) is not None and found.name == "target"
    assert done(make_tools(run="another")) is None


def test_one_that_has_lost_its_collection_waits_for_no_model(make_tools: MakeTools) -> None:
    steps.plan(make_tools(run="one"))
    steps.plan(make_tools(run="two"))
    away = make_tools(run="one", model=HashModel(dimension=16, breaks_after=0))
    lost(lambda: resume(away))


def test_each_step_of_a_run_that_is_done_tells_its_revision(make_tools: MakeTools) -> None:
    first = make_tools(run="r")
    steps.run(first)
    for step in (steps.work, steps.finish):
        again = make_tools(run="r", model=HashModel(dimension=16, breaks_after=0))
        step(again)
        assert again.progress.revision == first.progress.revision


def test_what_it_says_of_itself_is_what_stands_on_the_collection(make_tools: MakeTools) -> None:
    tools = make_tools(run="r", policy="Update")
    run: Run = start(tools)
    steps.plan(tools)
    stands = metadata(tools)
    assert run.claim.metadata(stands["revision"]).items() <= stands.items()
    assert (run.claim.update, run.claim.run) == (True, "r")
    assert run.configs.document == stands["document_config"]
