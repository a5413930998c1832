"""Another model of the same name and dimension at the same address: its vectors never get in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from chroma_sync.api.contract import ExitCode
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.embed import EmbeddingUnavailable, Model, Space, TeiModel
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.existing import load_orphans
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.claim import ATTEMPT
from chroma_sync.pipeline.index.golden import golden_vectors, kept_golden
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.scripted_tei import Clock, Reply, scripted
from fakes.tei_gateway import Gateway, of_model
from fakes.token_model import TokenModel
from unit.pipeline.stored import contents, metadata

MakeTools = Callable[..., Toolbox]

OTHERS = {
    "another model": TokenModel(weights="another "),
    "another pooling": TokenModel(pooling="last"),
    "another prompt": TokenModel(prompt="passage: "),
}
OURS = of_model(TokenModel())


@pytest.fixture
def client() -> Iterator[Callable[[Gateway], TeiModel]]:
    """Makes clients of servers, each a new process's."""
    with ExitStack() as stack:

        def make(gateway: Gateway) -> TeiModel:
            url, clock = stack.enter_context(scripted(gateway)), Clock()
            model = TeiModel(
                url, model="hash", retry_budget_seconds=30, clock=clock, sleep=clock.sleep
            )
            stack.callback(model.close)
            return model

        yield make


def refused(tools: Toolbox, step: Callable[[Toolbox], None]) -> None:
    with pytest.raises(Misconfigured) as caught:
        step(tools)
    assert caught.value.reason is Reason.EMBEDDING_MISMATCH
    assert "'target'" in str(caught.value)


@pytest.mark.parametrize("other", OTHERS)
def test_an_update_by_another_model_changes_nothing(
    make_tools: MakeTools, client: Callable[[Gateway], TeiModel], other: str
) -> None:
    first = make_tools(run="first", model=client(Gateway(OURS)))
    steps.run(first)
    stood, marks = contents(first), metadata(first)
    changed = client(Gateway(of_model(OTHERS[other])))
    refused(make_tools(sha=1, policy="Update", model=changed), steps.run)
    assert contents(first) == stood
    assert metadata(first) == marks


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_rolling_update_that_breaks_no_request(
    make_tools: MakeTools, client: Callable[[Gateway], TeiModel], other: str, after: int
) -> None:
    """From one request on the same address gives vectors of another model. What was written is of
    the first one, and the run does not end before that one is back."""
    whole = make_tools(collection="whole", model=TokenModel())
    steps.run(whole)
    theirs, requests = of_model(OTHERS[other]), 0
    lock = threading.Lock()

    def rolling(path: str, body: bytes) -> Reply:
        nonlocal requests
        with lock:
            requests += path == "/embed"
            script = OURS if requests <= after else theirs
        return script(path, body)

    tools = make_tools(run="r", model=client(Gateway(rolling)))
    with pytest.raises(EmbeddingUnavailable, match="another model, pooling or prompt") as caught:
        steps.run(tools)
    assert caught.value.exit_code is ExitCode.TEMPORARY
    assert contents(tools).items() <= contents(whole, "whole").items()
    assert "finished_ingest" not in metadata(tools)
    # The next pod finds the other model at its first request: that does not change by waiting.
    refused(make_tools(run="r", model=client(Gateway(of_model(OTHERS[other])))), steps.run)
    # Once the first one is back, the run goes on from what stands.
    again = make_tools(run="r", model=client(Gateway(OURS)))
    steps.run(again)
    assert contents(again) == contents(whole, "whole")


def test_of_two_servers_one_is_of_another_model_for_a_while(
    make_tools: MakeTools, client: Callable[[Gateway], TeiModel]
) -> None:
    whole = make_tools(collection="whole", model=TokenModel())
    steps.run(whole)
    theirs, requests, wrong = of_model(OTHERS["another model"]), 0, 0
    lock = threading.Lock()

    def mixed(path: str, body: bytes) -> Reply:
        nonlocal requests, wrong
        with lock:
            requests += path == "/embed"
            is_wrong = path == "/embed" and requests > 2 and requests % 2 == 0
            wrong += is_wrong
        return (theirs if is_wrong else OURS)(path, body)

    tools = make_tools(model=client(Gateway(mixed)))
    steps.run(tools)
    assert wrong > 1
    assert contents(tools) == contents(whole, "whole")
    assert metadata(tools)["finished_ingest"] is True


@pytest.mark.parametrize("when", ["before finish", "before the first delete"])
def test_nothing_is_deleted_by_another_model(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    steps.run(make_tools(run="first", model=TokenModel()))
    model = TokenModel()
    update = make_tools(sha=1, run="second", policy="Update", model=model)
    steps.plan(update)
    steps.work(update)
    if when == "before finish":
        update = make_tools(sha=1, run="second", policy="Update", model=OTHERS["another model"])
    else:
        real = load_orphans

        def load(*what: Any) -> None:
            real(*what)
            model._weights = "another "

        monkeypatch.setattr(steps, "load_orphans", load)
    stood, marks = contents(update), metadata(update)
    refused(update, steps.finish)
    assert contents(update) == stood
    now = metadata(update)
    now.pop(ATTEMPT, None)
    assert now == marks
    assert marks["finished_by"] == "first"


def test_nothing_is_marked_by_another_model(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while finish deletes, which takes long."""
    steps.run(make_tools(run="first", model=TokenModel()))
    model, clock = TokenModel(), Clock()
    update = make_tools(sha=1, run="second", policy="Update", model=model)
    update.space = Space(model, clock)
    real = Collection.delete

    def slow(self: Collection, ids: list[str]) -> None:
        real(self, ids)
        model._weights = "another "
        clock.now += 200

    monkeypatch.setattr(Collection, "delete", slow)
    refused(update, steps.run)
    assert metadata(update)["finished_by"] == "first"
    assert metadata(update)["updating_to"]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_new_commit_or_number_format_that_agrees_costs_nothing(
    make_tools: MakeTools, dtype: type[np.floating]
) -> None:
    first = make_tools(model=TokenModel())
    steps.run(first)
    stood, golden = contents(first), kept_golden(metadata(first))
    model = TokenModel(dtype=dtype)
    update = make_tools(policy="Update", model=model)
    steps.run(update)
    assert model.texts == 0
    assert update.progress.result().documents.unchanged == 3
    assert contents(update) == stood
    assert kept_golden(metadata(update)) == golden


@pytest.mark.parametrize(
    ("model", "agrees"),
    [(TokenModel(dtype=np.float16), True), *((other, False) for other in OTHERS.values())],
)
def test_vectors_of_the_previous_collection_are_taken_over_when_they_agree(
    make_tools: MakeTools, model: Model, agrees: bool
) -> None:
    first = make_tools(collection="first", model=TokenModel())
    steps.run(first)
    second = make_tools(collection="second", previous="first", model=model)
    steps.run(second)
    chunks = second.progress.result().chunks
    assert (chunks.embedded == 0) is agrees
    assert (chunks.reused == 0) is not agrees
    # One that agrees keeps the golden vectors of the first, so that they never drift.
    same = kept_golden(metadata(first, "first")) == kept_golden(metadata(second, "second"))
    assert same is agrees


def test_a_collection_that_has_lost_its_golden_vectors_is_left_alone(
    make_tools: MakeTools,
) -> None:
    first = make_tools()
    steps.run(first)
    collection = first.database.find("target")
    assert collection is not None
    marks = {k: v for k, v in collection.metadata.items() if k not in kept_golden(metadata(first))}
    collection.replace_metadata(marks)
    stood = contents(first)
    refused(make_tools(sha=1, policy="Update"), steps.run)
    assert contents(first) == stood
    assert metadata(first) == marks


def test_a_collection_of_an_earlier_release_is_embedded_anew(make_tools: MakeTools) -> None:
    first = make_tools()
    steps.run(first)
    collection = first.database.find("target")
    assert collection is not None
    marks = {k: v for k, v in collection.metadata.items() if k not in kept_golden(metadata(first))}
    collection.replace_metadata({**marks, "embedding_config": "0" * 16, "document_config": "1"})
    records = collection._handle.get()
    older = [{"embedding_config": "0" * 16, "document_state": "0" * 16}] * len(records["ids"])
    collection._handle.update(records["ids"], metadatas=older)
    update = make_tools(policy="Update")
    steps.run(update)
    chunks = update.progress.result().chunks
    assert chunks.embedded == chunks.produced > 0
    assert golden_vectors(metadata(update)) is not None
