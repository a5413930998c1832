"""Each text is embedded once, and whoever has it too gets its vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_sync.pipeline import known_texts, steps
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.known_texts import KnownTexts, Made, Turn
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel
from unit.pipeline.stored import contents

MakeTools = Callable[..., Toolbox]
A, B = "aa" * 32, "bb" * 32
VECTOR = Made(np.array([0.6, 0.8], np.float32), 1)


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[KnownTexts[str]]:
    made: KnownTexts[str] = KnownTexts(tmp_path / "texts.sqlite")
    yield made
    made.close()


def test_a_text_is_made_once(texts: KnownTexts[str]) -> None:
    assert texts.turn(A, "first") is Turn.MAKE
    assert texts.turn(B, "other") is Turn.MAKE
    assert texts.turn(A, "second") is Turn.WAIT
    assert texts.turn(A, "third") is Turn.WAIT
    assert texts.made(A, VECTOR) == ["second", "third"]
    assert texts.made(B, VECTOR) == []
    again = texts.turn(A, "fourth")
    assert isinstance(again, Made)
    assert again.vector.tolist() == VECTOR.vector.tolist()
    assert again.windows == 1


def test_the_turn_is_passed_on(texts: KnownTexts[str]) -> None:
    for one in ("first", "second", "third"):
        texts.turn(A, one)
    assert texts.passed_on(A) == "second"
    assert texts.made(A, VECTOR) == ["third"]
    texts.turn(B, "alone")
    assert texts.passed_on(B) is None
    assert texts.turn(B, "later") is Turn.MAKE


def test_what_is_refused_is_refused_to_all(texts: KnownTexts[str]) -> None:
    for one in ("first", "second"):
        texts.turn(A, one)
    assert texts.refused(A) == ["second"]
    assert texts.turn(A, "third") is Turn.MAKE


def test_both_bounds_cost_no_more_than_another_embedding(
    texts: KnownTexts[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [texts.turn(A, str(n)) for n in range(300)]
    assert turns.count(Turn.WAIT) == known_texts._WAITING_MAX
    assert turns.count(Turn.MAKE) == 300 - known_texts._WAITING_MAX
    texts._left = 0
    assert len(texts.made(A, VECTOR)) == known_texts._WAITING_MAX
    assert texts.turn(A, "again") is Turn.MAKE, "there was no room to keep it"


# Whole runs

ANOTHER = {"embedding_config": "yet another"}
PYTHON = "".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(60))


@pytest.fixture
def host(make_tools: MakeTools, tmp_path: Path) -> Iterator[Callable[..., Toolbox]]:
    """Makes tools for runs over trees of texts."""
    root = tmp_path / "host"
    (root / "acme").mkdir(parents=True)
    with serving(root) as url:
        trees: list[dict[str, str]] = []

        def make(tree: dict[str, str], **what: Any) -> Toolbox:
            trees.append(tree)
            files = [
                {name: repository.GeneratedFile(text.encode()) for name, text in tree.items()}
                for tree in trees
            ]
            shas = repository.write(root / "acme" / f"r{len(trees)}", files)
            options = {"repository_name": "acme/shop", "base_url": url, **what}
            options["repository_name"] = f"acme/r{len(trees)}"
            return make_tools(sha=shas[-1], **options)

        yield make


def test_twelve_copies_are_embedded_once(host: Callable[..., Toolbox]) -> None:
    tree = {f"copy{n}/code.py": PYTHON for n in range(12)}
    one = HashModel(dimension=16)
    alone = host({"code.py": PYTHON}, collection="alone", model=one)
    steps.run(alone)
    twelve = HashModel(dimension=16)
    tools = host(tree, model=twelve)
    told = forecast(tools)
    steps.run(tools)
    chunks = tools.progress.result().chunks
    assert twelve.texts == one.texts == told.texts == chunks.embedded
    assert chunks.written == chunks.produced == 12 * alone.progress.result().chunks.produced
    assert chunks.reused == chunks.produced - chunks.embedded


def test_copies_of_a_text_that_is_refused_are_refused_together(
    host: Callable[..., Toolbox],
) -> None:
    tree = {f"{n}.txt": "unspeakable\n" for n in range(12)} | {"good.txt": "good\n"}
    tools = host(tree, model=HashModel(dimension=16, refuses="unspeakable"))
    steps.run(tools)
    counts = tools.progress.result().documents
    assert (counts.failed, counts.indexed) == (12, 1)


def test_a_text_outlives_the_document_whose_turn_it_was(host: Callable[..., Toolbox]) -> None:
    """The first document has a text that is refused, and one that others have too."""
    shared = "".join(f"line {n} of a text that all have\n" for n in range(40))
    tree = {"a.txt": "unspeakable\n" * 4 + shared, **{f"{n}.txt": shared for n in range(3)}}
    tools = host(tree, model=HashModel(dimension=16, refuses="unspeakable"))
    steps.run(tools)
    fresh = host({k: v for k, v in tree.items() if k != "a.txt"}, collection="fresh")
    steps.run(fresh)
    counts = tools.progress.result().documents
    assert (counts.failed, counts.indexed) == (1, 3)
    assert {i: (r[0], r[2]) for i, r in contents(tools).items()} == {
        i: (r[0], r[2]) for i, r in contents(fresh, "fresh").items()
    }


@pytest.mark.parametrize("into", ["the same collection", "a new one"])
def test_a_folder_that_is_moved_embeds_nothing(
    host: Callable[..., Toolbox], make_tools: MakeTools, tmp_path: Path, into: str
) -> None:
    tree = {f"{n}.py": PYTHON.replace("f", f"g{n}_") for n in range(4)}
    root = tmp_path / "one"
    (root / "acme").mkdir(parents=True)
    moved = {f"src/{name}": text for name, text in tree.items()}
    files = [
        {name: repository.GeneratedFile(text.encode()) for name, text in one.items()}
        for one in (tree, moved)
    ]
    shas = repository.write(root / "acme" / "shop", files)
    with serving(root) as url:
        steps.run(make_tools(sha=shas[0], base_url=url))
        model = HashModel(dimension=16)
        where = (
            {"policy": "Update"}
            if into == "the same collection"
            else {
                "collection": "new",
                "previous": "target",
            }
        )
        tools = make_tools(sha=shas[1], base_url=url, model=model, **where)
        told = forecast(tools)
        steps.run(tools)
        fresh = make_tools(sha=shas[1], base_url=url, collection="fresh")
        steps.run(fresh)
    assert model.texts == told.texts == tools.progress.result().chunks.embedded == 0
    name = "target" if into == "the same collection" else "new"
    assert contents(tools, name) == contents(fresh, "fresh")


@pytest.mark.parametrize("made", ["so", "in another way"])
def test_a_text_of_very_many_records_hides_no_other(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    """A page of what stands may hold records of one text alone, and none that is of use."""
    tools = make_tools()
    steps.run(tools)
    collection = tools.database.find("target")
    assert collection is not None
    page = collection._handle.get(include=["documents", "embeddings", "metadatas"])
    shas = [m["content_sha256"] for m in page["metadatas"]]
    copies = 40
    collection._handle.add(
        [f"{'0' * 64}-{n}" for n in range(copies)],
        [page["embeddings"][0]] * copies,
        [{**page["metadatas"][0], **({} if made == "so" else ANOTHER)}] * copies,
        ["copy"] * copies,
    )
    collection._handle.delete(page["ids"])  # what is written last is read last
    collection._handle.add(page["ids"], page["embeddings"], page["metadatas"], page["documents"])
    monkeypatch.setattr("chroma_sync.pipeline.index.chroma._WRITE_MAX", 10)
    config = str(page["metadatas"][0]["embedding_config"])
    found = dict(collection.with_texts(set(shas), config, vectors=True))
    assert found.keys() == set(shas)
    assert not dict(collection.with_texts(set(shas), "another", vectors=True))


def test_any_number_of_texts_is_asked_for(make_tools: MakeTools) -> None:
    """SQLite takes 32,766 values in a question."""
    tools = make_tools()
    steps.run(tools)
    collection = tools.database.find("target")
    assert collection is not None
    stored = next(iter(contents(tools).values()))[1]
    sha, config = dict(stored)["content_sha256"], dict(stored)["embedding_config"]
    many = {f"{n:064x}" for n in range(40_000)} | {sha}
    assert dict(collection.with_texts(many, config, vectors=True)).keys() == {sha}
