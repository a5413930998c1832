"""Who is to blame for a refusal: a text, or the server and what stands in front of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from chroma_sync.api.contract import ExitCode
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.embed import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnavailable,
    TeiModel,
    embed_long,
)
from chroma_sync.pipeline.embed.local import LOCAL_MODEL
from chroma_sync.pipeline.errors import Misconfigured
from fakes.scripted_tei import Clock, scripted
from fakes.tei.server import serving
from fakes.tei.service import Options
from fakes.tei_gateway import (
    ODD_ANSWERS,
    TEXT_REFUSALS,
    Gateway,
    Refusing,
    forward_to,
    refused_as_json,
)

BUDGET = 60.0
TEXTS = [f"text {i}" for i in range(40)]


@contextmanager
def behind(
    gateway: Gateway, told: list[str] | None = None, model: str = "all-MiniLM-L6-v2"
) -> Iterator[TeiModel]:
    """A client of a gateway. Its clock is moved by its pauses alone."""
    clock = Clock()
    with scripted(gateway) as url:
        made = TeiModel(
            url,
            model=model,
            retry_budget_seconds=BUDGET,
            clock=clock,
            sleep=clock.sleep,
            on_wait=(told if told is not None else []).append,
        )
        yield made
        made.close()


@pytest.mark.parametrize("path", ["/embed", "/tokenize"])
@pytest.mark.parametrize("kind", TEXT_REFUSALS)
def test_a_gateway_that_refuses_every_text_gives_no_verdict(kind: str, path: str) -> None:
    """From the first request on that carries a text."""
    rule = Refusing(TEXT_REFUSALS[kind], paths=(path,))
    told: list[str] = []
    with behind(Gateway(rules=[rule]), told) as model:
        with pytest.raises(EmbeddingUnavailable) as caught:
            embed_long(model, ["word " * 400])
    assert (caught.value.reason, caught.value.exit_code) == (
        *(Reason.EMBEDDING_UNAVAILABLE, ExitCode.TEMPORARY),
    )
    assert told and path in told[0]


@pytest.mark.parametrize("kind", TEXT_REFUSALS)
def test_a_gateway_that_refuses_for_a_while_is_waited_out(kind: str) -> None:
    told: list[str] = []
    rule = Refusing(TEXT_REFUSALS[kind], paths=("/embed",), first=1, times=40)
    with behind(Gateway(rules=[rule]), told) as model:
        assert len(model.embed(TEXTS)) == len(model.embed(TEXTS)) == len(TEXTS)
    assert rule.refused == 40
    assert told[0] and told[-1] == ""


@pytest.mark.parametrize("size", [9_000, 20_000])
def test_a_limit_on_bodies_is_not_the_fault_of_a_text(size: int) -> None:
    """A proxy that takes small bodies only refuses the control, which is as large."""
    too_large = Refusing(TEXT_REFUSALS["HTML 413"], chooses=lambda body: len(body) > 8_000)
    with behind(Gateway(rules=[too_large])) as model:
        assert len(model.embed(["small"])) == 1
        with pytest.raises(EmbeddingUnavailable, match="413"):
            model.embed(["x" * size, "small"])


@pytest.mark.parametrize("blanks", [0, 100_000])
def test_the_control_is_a_text_that_the_model_takes(blanks: int) -> None:
    """A text of few tokens may have any number of bytes: the control has as many, and no more
    tokens than the model takes. Against a real tokenizer with its limit."""
    refusing = Refusing(refused_as_json(422), ("/embed",), chooses=lambda body: b"poison" in body)
    with serving() as url:
        gateway = Gateway(forward_to(url), [refusing])
        with behind(gateway, model=LOCAL_MODEL) as model:
            with pytest.raises(EmbeddingRejected) as caught:
                model.embed(["good", "poison" + " " * blanks])
            assert set(caught.value.refused) == {1}
    sizes = [len(body) for path, body in gateway.passed if path == "/embed"]
    assert max(sizes) >= blanks


def poisoned(body: bytes) -> bool:
    return b"poison" in body


@pytest.mark.parametrize("kind", [k for k in TEXT_REFUSALS if k != "too long"])
def test_texts_that_are_refused_among_good_ones_are_all_named_at_once(kind: str) -> None:
    bad = {3, 4, 17, 39}
    texts = [f"{'poison' if i in bad else 'text'} {i}" for i in range(len(TEXTS))]
    rule = Refusing(TEXT_REFUSALS[kind], ("/embed",), chooses=poisoned)
    gateway = Gateway(rules=[rule])
    with behind(gateway) as model:
        with pytest.raises(EmbeddingRejected) as caught:
            model.embed(texts)
    assert set(caught.value.refused) == bad
    # Two controls for four verdicts, and each text was refused again after the first.
    sent = [json.loads(body)["inputs"] for path, body in gateway.passed if path == "/embed"]
    assert sum(inputs[0].startswith("a few") for inputs in sent) == 2


def test_a_text_that_is_refused_once_is_no_verdict() -> None:
    """One of several proxies behind a name refuses, the next does not."""
    rule = Refusing(refused_as_json(422), ("/embed",), times=1)
    with behind(Gateway(rules=[rule])) as model:
        assert len(model.embed(["text"])) == 1


@pytest.mark.parametrize("kind", ODD_ANSWERS)
@pytest.mark.parametrize("path", ["/embed", "/tokenize"])
def test_an_odd_answer_after_a_success_is_waited_out(kind: str, path: str) -> None:
    told: list[str] = []
    rule = Refusing(ODD_ANSWERS[kind], (path,), first=1, times=3)
    long_text = "word " * 400
    with behind(Gateway(rules=[rule]), told) as model:
        for _ in range(2):
            assert len(embed_long(model, [long_text]).vectors) == 1
    assert rule.refused == 3
    assert told[0] and told[-1] == ""


@pytest.mark.parametrize("kind", ODD_ANSWERS)
def test_an_odd_answer_that_stays_is_unavailable(kind: str) -> None:
    rule = Refusing(ODD_ANSWERS[kind], ("/info", "/embed", "/tokenize"), first=3)
    with behind(Gateway(rules=[rule])) as model:
        model.embed(["text"])
        with pytest.raises(EmbeddingUnavailable):
            model.embed(["text"])


@pytest.mark.parametrize("kind", [k for k in ODD_ANSWERS if k != "200 page"])
def test_an_odd_answer_from_the_first_request_on_is_a_fault_of_the_setup(kind: str) -> None:
    rule = Refusing(ODD_ANSWERS[kind], ("/info",))
    with behind(Gateway(rules=[rule])) as model:
        with pytest.raises(EmbeddingMisconfigured):
            model.info()


def test_a_token_that_is_renewed_is_used_from_then_on() -> None:
    """The server changes its key first, the Secret's file follows a little later."""
    file = "old"

    def sleep(seconds: float) -> None:
        nonlocal file
        clock.sleep(seconds)
        file = "new"

    clock, told = Clock(), list[str]()
    with serving(Options(api_key="old")) as url:
        model = TeiModel(
            *(url,),
            model=LOCAL_MODEL,
            token=lambda: file,
            clock=clock,
            sleep=sleep,
            on_wait=told.append,
        )
        assert len(model.embed(["a"])) == 1
        httpx.post(f"{url}/_test/key", json={"key": "new"}, trust_env=False)
        assert len(model.embed(["b"])) == 1
        model.close()
    assert "401" in told[0] and told[-1] == ""
    assert len(clock.sleeps) == 1


def test_a_token_that_goes_in_mid_run_is_trouble() -> None:
    def token() -> str:
        if gone:
            raise Misconfigured(Reason.SECRET_NOT_FOUND, "There is no Secret")
        return "key"

    gone: list[bool] = []
    clock = Clock()
    with scripted(Gateway()) as url:
        model = TeiModel(url, model="all-MiniLM-L6-v2", token=token, clock=clock, sleep=clock.sleep)
        model.embed(["a"])
        gone.append(True)
        with pytest.raises(EmbeddingUnavailable, match="There is no Secret"):
            model.embed(["b"])
        model.close()


def test_a_refusal_that_was_waited_out_is_an_interruption() -> None:
    """Who answers then may be another server."""
    rule = Refusing(TEXT_REFUSALS["JSON 422"], ("/embed",), times=6)
    with behind(Gateway(rules=[rule])) as model:
        assert model.interruptions() == 0
        model.embed(["a"])
        assert model.interruptions() >= 1


@pytest.mark.parametrize("begins", [0.0, 3.0, 3.1415926, 5.5])
def test_the_budget_ends_whenever_the_clock_began(begins: float) -> None:
    """Half a unit in a clock's last place is left sometimes, and no clock moves by that."""
    clock = Clock()
    clock.now = begins
    with scripted(Gateway(rules=[Refusing(TEXT_REFUSALS["JSON 413"])])) as url:
        for _ in range(20):
            clock.sleeps.clear()
            model = TeiModel(
                *(url,),
                model="all-MiniLM-L6-v2",
                retry_budget_seconds=BUDGET,
                clock=clock,
                sleep=clock.sleep,
            )
            with pytest.raises(EmbeddingUnavailable):
                model.embed(["a"])
            assert len(clock.sleeps) < 100
            model.close()
