"""What `chroma-sync query` prints, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.cli.main import main
from chroma_sync.cli.query import (
    QueryResult,
    _answers,
    _check_same_model,
    _shown,
    _tell_of_state,
    answers_of,
)
from chroma_sync.pipeline.embed import LOCAL_MODEL, Space
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.chroma import Collection, Database, Hit
from chroma_sync.pipeline.index.golden import golden_metadata
from chroma_sync.pipeline.index.records import Record
from fakes.hash_model import HashModel
from fakes.token_model import TokenModel


def test_a_folder_has_one_tenant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["query", "bread", "--collection", "shop", "--path", str(tmp_path)]
    assert main([*ask, "--tenant", "team-a"]) == 2
    assert "--tenant: a Chroma in a folder has the tenant default_tenant only" in (
        capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("a\n\n  b\n", ["     a", "", "       b"]),
        ("a\nb\nc\nd\ne\nf\n", [f"     {letter}" for letter in "abcdef"]),
        ("a\n\n\n\n\nf\ng\n", ["     a", "", "", "", "", "     f", "     …"]),
        ("x" * 111, [f"     {'x' * 110}…"]),
    ],
)
def test_an_excerpt_is_the_text_up_to_a_mark(text: str, body: list[str]) -> None:
    hit = Hit({"document_key": "a.py", "start_line": 1, "end_line": 9}, text, 0.5)
    assert _shown(1, QueryResult(hit)).split("\n") == ["1. a.py:1-9  score 0.500", *body]


def test_what_a_repository_holds_controls_no_terminal() -> None:
    text = "reset\n\x1b]52;c;ZWNobyBoaQ==\x07\x1b[2Jfine\rhidden\n\tif x:\u202e\n"
    hit = Hit({"document_key": "evil\x1b[31m\nname.md", "start_line": 1, "end_line": 3}, text, 0.5)
    assert _shown(1, QueryResult(hit)).split("\n") == [
        r"1. evil\x1b[31m\nname.md:1-3  score 0.500",
        "     reset",
        r"     \x1b]52;c;ZWNobyBoaQ==\x07\x1b[2Jfine\rhidden",
        "     \tif x:\\u202e",
    ]


def test_of_one_text_two_answers_are_shown_and_the_others_counted() -> None:
    texts = ["a", "b", "a", "a", "c", "a", "b"]
    answers = answers_of(Hit({"document_key": str(i)}, t, 0.5) for i, t in enumerate(texts))
    shown = [(a.hit.metadata["document_key"], a.more) for a in answers]
    assert shown == [("0", 0), ("1", 0), ("2", 2), ("4", 0), ("6", 0)]
    assert _shown(3, answers[2]).endswith("     a\n   (2 more with the same text)")


def records(texts: list[str]) -> list[Record]:
    vectors = [np.array([1.0, i / 1000], np.float32) for i in range(len(texts))]
    return [
        Record(f"{i}", text, {"document_key": f"{i}.py"}, vector, in_place=False)
        for i, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    database = Database.embedded(tmp_path, "default_database")
    yield database.create("shop", {"embedding_model": LOCAL_MODEL})
    database.close()


def test_copies_of_a_text_take_no_places(collection: Collection) -> None:
    collection.upsert(records([*["copy"] * 40, "one", "two"]))
    answers = _answers(collection, np.array([1.0, 0.0], np.float32), 4)
    assert [(a.hit.text, a.more) for a in answers] == [
        ("copy", 0),
        ("copy", 38),
        ("one", 0),
        ("two", 0),
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"topic": "bread"}, ""),
        ({"run": "1", "finished_ingest": True}, ""),
        ({"shared": True, "run.0123456789abcdef": "{}"}, ""),
        ({"run": "1"}, "Collection 'shop' is not finished: documents are missing"),
        (
            {"run": "1", "finished_ingest": True, "updating_to": "abc"},
            "Collection 'shop' is being updated, or its last update did not come to its end: "
            "answers are of the old state and of the new.",
        ),
    ],
)
def test_the_state_of_a_collection_is_told(
    collection: Collection, capsys: pytest.CaptureFixture[str], state: dict[str, Any], said: str
) -> None:
    _tell_of_state(collection)
    assert capsys.readouterr().err == "chroma-sync: Collection 'shop' is empty.\n"
    collection.upsert(records(["one"]))
    collection.replace_metadata(state)
    _tell_of_state(collection)
    told = capsys.readouterr().err
    assert told.startswith(f"chroma-sync: {said}") if said else told == ""


def test_a_model_that_did_not_make_the_collection_is_told(collection: Collection) -> None:
    _check_same_model(HashModel(16), collection)  # it keeps no golden vectors
    vectors = Space(HashModel(16)).measured()
    collection.replace_metadata({**collection.metadata, **golden_metadata(vectors)})
    _check_same_model(HashModel(16), collection)
    with pytest.raises(Misconfigured, match="collection 'shop'") as caught:
        _check_same_model(TokenModel(16), collection)
    assert caught.value.reason is Reason.EMBEDDING_MISMATCH
    assert str(caught.value).endswith("with --model, and its server with --tei.")
