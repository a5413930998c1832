"""Golden vectors: what agrees and what does not, when they are measured, and how they are kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chroma_sync.pipeline.embed import (
    GOLDEN_TEXTS,
    EmbeddingMisconfigured,
    LocalMiniLM,
    Model,
    Space,
    Vectors,
    agree,
    embed_long,
)
from chroma_sync.pipeline.embed.local import LOCAL_MODEL_SHA, _package_file, _session
from chroma_sync.pipeline.embed.minilm_graph import build_graph, read_safetensors
from chroma_sync.pipeline.index.golden import golden_metadata, golden_vectors, kept_golden
from chroma_sync.pipeline.index.records import Scalar
from fakes.hash_model import HashModel
from fakes.scripted_tei import Clock
from fakes.token_model import TokenModel

GOLDEN = embed_long(TokenModel(), list(GOLDEN_TEXTS)).vectors


def cosines(some: Vectors, others: Vectors) -> Vectors:
    result: Vectors = (some * others).sum(axis=1) / (
        np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    )
    return result


# What agrees


@pytest.mark.parametrize(
    "other",
    [
        TokenModel(weights="another "),
        TokenModel(pooling="first"),
        TokenModel(pooling="last"),
        TokenModel(prompt="query: "),
        HashModel(16),
        TokenModel(dimension=17),
    ],
)
def test_another_model_does_not_agree(other: Model) -> None:
    assert not agree(embed_long(other, list(GOLDEN_TEXTS)).vectors, GOLDEN)


def test_half_precision_agrees() -> None:
    other = TokenModel(dtype=np.float16)
    assert agree(embed_long(other, list(GOLDEN_TEXTS)).vectors, GOLDEN)


def test_the_real_model_agrees_in_half_precision_and_in_other_batches() -> None:
    model = LocalMiniLM(threads=1)
    golden = model.embed(list(GOLDEN_TEXTS))
    one_by_one = np.concatenate([model.embed([text]) for text in GOLDEN_TEXTS])
    assert cosines(one_by_one, golden).min() > 1 - 1e-6
    weights = read_safetensors(_package_file("model.safetensors", LOCAL_MODEL_SHA))
    halved = {
        name: value.astype(np.float16).astype(np.float32) if value.dtype == np.float32 else value
        for name, value in weights.items()
    }
    model._session = _session(build_graph(halved), 1)
    assert agree(model.embed(list(GOLDEN_TEXTS)), golden)


def test_the_texts_fit_the_smallest_model_whole() -> None:
    model = LocalMiniLM(threads=1)
    info = model.info()
    lengths = [
        len(tokens.offsets) + tokens.special for tokens in model.tokenize(list(GOLDEN_TEXTS))
    ]
    assert max(lengths) <= info.max_input_tokens
    assert max(lengths) > info.max_input_tokens / 2, "one of them is long"
    assert len(set(GOLDEN_TEXTS)) == 8


# How they are kept


@pytest.mark.parametrize(("dimension", "parts"), [(384, 2), (1_024, 3), (4_096, 11)])
@pytest.mark.parametrize("spread", [1.0, 6.0])
def test_they_stand_in_metadata_within_the_quotas(
    dimension: int, parts: int, spread: float
) -> None:
    """`spread` makes some numbers far smaller than others, as some models do."""
    draw = np.random.default_rng(7)
    vectors = draw.standard_normal((8, dimension)) * 10 ** draw.uniform(-spread, 0, (8, dimension))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    metadata = golden_metadata(unit)
    assert len(metadata) == parts + 1
    assert all(len(key.encode()) <= 36 for key in metadata)
    assert all(len(str(value).encode()) <= 8_182 for value in metadata.values())
    other: dict[str, Scalar] = {"source": "default/shop", "finished_ingest": True}
    back = golden_vectors({**other, **metadata})
    assert back is not None
    assert back.dtype == np.float32
    assert cosines(back, unit).min() >= 1 - 1e-6
    assert kept_golden({**other, **metadata}) == metadata
    assert golden_metadata(back) == metadata, "a copy of a copy is the same"


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m.clear(),
        lambda m: m.pop("embedding_golden_dimension"),
        lambda m: m.pop("embedding_golden_0"),
        lambda m: m.update(embedding_golden_dimension=0),
        lambda m: m.update(embedding_golden_dimension="many"),
        lambda m: m.update(embedding_golden_1="%%%"),
        lambda m: m.update(embedding_golden_1="AA"),
        lambda m: m.update(embedding_golden_0="/" * 8_000),  # no numbers
    ],
)
def test_what_can_not_be_read_is_none(damage: Callable[[dict[str, Scalar]], object]) -> None:
    metadata = golden_metadata(np.ones((8, 384), np.float32))
    damage(metadata)
    assert golden_vectors(metadata) is None


def test_vectors_of_zeros_are_none() -> None:
    assert golden_vectors(golden_metadata(np.zeros((8, 384), np.float32))) is None


# When they are measured


class Changing(TokenModel):
    """Becomes another model when a test says so, and counts the measurings."""

    measured = 0
    away = 0

    def embed(self, texts: list[str]) -> Vectors:
        self.measured += texts == list(GOLDEN_TEXTS)
        return super().embed(texts)

    def interruptions(self) -> int:
        return self.away


def settled() -> tuple[Changing, Space, Clock]:
    model, clock = Changing(), Clock()
    space = Space(model, clock)
    space.settle(GOLDEN, "shop", "Do something.")
    return model, space, clock


def test_they_are_measured_at_the_first_use_alone() -> None:
    model, space, _ = settled()
    space.settle(GOLDEN, "shop", "")
    space.measured()
    space.check_if_due()
    assert model.measured == 1


def test_they_are_measured_every_three_minutes() -> None:
    model, space, clock = settled()
    for seconds, measured in [(179.0, 1), (1.0, 2), (1.0, 2), (178.0, 2), (1.0, 3)]:
        clock.now += seconds
        space.check_if_due()
        assert model.measured == measured


def test_they_are_measured_after_each_interruption() -> None:
    model, space, _ = settled()
    model.away = 1
    space.check_if_due()
    space.check_if_due()
    assert model.measured == 2


def test_a_changed_model_is_told() -> None:
    model, space, _ = settled()
    model._weights = "another "
    space.check_if_due()
    assert model.measured == 1
    with pytest.raises(EmbeddingMisconfigured) as caught:
        space.check()
    assert caught.value.reason == "EmbeddingMismatch"
    message = str(caught.value)
    assert "'shop'" in message
    assert "0.999 is needed" in message
    assert message.endswith("Do something.")


def test_one_odd_answer_is_asked_for_again() -> None:
    """Of two servers behind one address one is replaced just now: the run need not end."""
    model, space, _ = settled()
    real, answers = model.embed, 0

    def once_another(texts: list[str]) -> Vectors:
        nonlocal answers
        answers += 1
        return TokenModel(weights="another ").embed(texts) if answers == 1 else real(texts)

    model.embed = once_another  # type: ignore[method-assign]
    space.check()
    assert answers == 2


def test_a_model_that_takes_no_golden_text_is_named() -> None:
    refusing = HashModel(16, refuses="lighthouse")
    with pytest.raises(EmbeddingMisconfigured, match="each model can embed") as caught:
        Space(refusing).measured()
    assert caught.value.reason == "ModelNotServed"


def test_vectors_of_fewer_texts_are_told_and_no_fault_of_the_program() -> None:
    space = Space(TokenModel())
    with pytest.raises(EmbeddingMisconfigured, match="of 4 known texts, and there are 8") as caught:
        space.settle(GOLDEN[:4], "shop", "")
    assert caught.value.reason == "EmbeddingMismatch"


def test_who_waits_for_a_measuring_looks_at_the_stop() -> None:
    """Else each thread would wait for a server that hangs, one after the other."""

    class StoppedError(Exception):
        pass

    def stopped() -> None:
        raise StoppedError

    model = Changing()
    space = Space(model, Clock(), stopped)
    space.settle(GOLDEN, "shop", "")
    model.away = 1
    with pytest.raises(StoppedError):
        space.check_if_due()
    assert model.measured == 1
