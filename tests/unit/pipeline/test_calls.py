"""Calls of Chroma: what is tried again, and what each failure means."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from chromadb import errors

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.index.calls import Calls, Refused
from chroma_sync.pipeline.index.chroma import Database
from chroma_sync.pipeline.index.session import ForeignAnswer

ADVICE = "Check that the server runs and that its address is right."


class Scripted:
    """Raises one exception after the other, then returns 7."""

    def __init__(self, *errors_: Exception) -> None:
        self.left = list(errors_)

    def __call__(self) -> int:
        if self.left:
            raise self.left.pop(0)
        return 7


def calls(told: list[str] | None = None, *, seconds: float = 100.0) -> Calls:
    on_wait = (told if told is not None else []).append
    return Calls(
        *("http://chroma:8000", seconds, lambda _: None, on_wait),
        token_advice="Check the token.",
    )


def test_trouble_is_waited_out_and_told() -> None:
    told: list[str] = []
    script = Scripted(httpx.ConnectError("refused"), ForeignAnswer(502, "HTTP 502"))
    assert calls(told).call(script) == 7
    assert told == [
        f"Chroma at http://chroma:8000: refused. {ADVICE}",
        f"Chroma at http://chroma:8000: HTTP 502. {ADVICE}",
        "",
    ]


def test_a_good_call_tells_nothing() -> None:
    told: list[str] = []
    assert calls(told).call(Scripted()) == 7
    assert told == []


def test_trouble_that_stays_is_temporary() -> None:
    with pytest.raises(Temporary) as caught:
        calls(seconds=0).call(Scripted(httpx.ConnectError("refused")))
    assert caught.value.reason is Reason.CHROMA_UNAVAILABLE


@pytest.mark.parametrize(
    "error", [TypeError("no such argument"), ValueError("n_results is no number"), KeyError("ids")]
)
def test_what_the_client_does_not_take_is_not_tried_again(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        calls().call(Scripted(error, TypeError("again")))
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.NotFoundError("Database nope not found"), Reason.DATABASE_NOT_FOUND),
        (errors.ChromaAuthError("no"), Reason.CREDENTIALS_REJECTED),
        (errors.AuthorizationError("no"), Reason.CREDENTIALS_REJECTED),
        (ForeignAnswer(401, "no"), Reason.CREDENTIALS_REJECTED),
        (ForeignAnswer(403, "no"), Reason.CREDENTIALS_REJECTED),
        (ForeignAnswer(407, "no"), Reason.CREDENTIALS_REJECTED),
        (errors.InvalidDimensionException("dimension 3, not 2"), Reason.COLLECTION_MODEL_MISMATCH),
        (
            errors.InvalidArgumentError("expecting embedding with dimension of 2, got 3"),
            Reason.COLLECTION_MODEL_MISMATCH,
        ),
        (errors.InvalidArgumentError("bad"), Reason.INTERNAL_ERROR),
        (errors.DuplicateIDError("twice"), Reason.INTERNAL_ERROR),
        (errors.QuotaError("too many"), Reason.INTERNAL_ERROR),
        (httpx.InvalidURL("no"), Reason.CHROMA_UNAVAILABLE),
    ],
)
def test_what_stays_wrong_is_not_tried_again(error: Exception, reason: Reason) -> None:
    script = Scripted(error, AssertionError("called twice"))
    with pytest.raises(StepError) as caught:
        calls().call(script)
    assert caught.value.reason is reason
    assert not isinstance(caught.value, Temporary)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("http://chroma-dimension/ refused"),
        httpx.ReadTimeout("dimension"),
        ForeignAnswer(503, "dimension, not found, unauthorized"),
        ForeignAnswer(200, "a page"),
        ForeignAnswer(302, "to a page"),
        ForeignAnswer(400, "a page"),
        ForeignAnswer(404, "a page"),
        ForeignAnswer(413, "too large"),
        ForeignAnswer(429, "too many"),
        errors.InternalError("dimension"),
        errors.RateLimitError("dimension"),
        errors.ChromaError("dimension"),
    ],
)
def test_words_decide_nothing(error: Exception) -> None:
    assert calls().call(Scripted(error, error)) == 7


@pytest.mark.parametrize("error", [ForeignAnswer(401, "no"), ForeignAnswer(403, "no")])
def test_credentials_that_were_taken_once_are_trouble_later(error: Exception) -> None:
    told: list[str] = []
    ours = calls(told)
    ours.call(Scripted())
    assert ours.call(Scripted(error, error)) == 7
    assert told == ["Chroma at http://chroma:8000: no. Check the token."] * 2 + [""]
    impatient = Calls("here", 0.0, lambda _: None, lambda _: None, reached=ours.reached)
    with pytest.raises(Temporary) as caught:
        impatient.call(Scripted(error))
    assert caught.value.reason is Reason.CREDENTIALS_REJECTED


@pytest.mark.parametrize(
    ("error", "too_large"),
    [
        (ForeignAnswer(413, "too large"), True),
        (errors.BatchSizeExceededError("too many"), True),
        (ForeignAnswer(400, "a firewall's page"), False),
        (ForeignAnswer(403, "a firewall's page"), False),
        (ForeignAnswer(422, "what is this"), False),
        (errors.InvalidArgumentError("bad"), False),
        (errors.DuplicateIDError("twice"), False),
        (ValueError("no metadata"), False),
        (TypeError("str is not valid UTF-8"), False),
    ],
)
def test_a_write_that_may_be_to_blame_is_told_at_once(error: Exception, too_large: bool) -> None:
    ours = calls()
    ours.call(Scripted())
    with pytest.raises(Refused) as caught:
        ours.call(Scripted(error, AssertionError("called twice")), is_write=True)
    assert caught.value.too_large is too_large


@pytest.mark.parametrize("error", [ForeignAnswer(status, "no") for status in (401, 404, 429, 500)])
def test_a_write_in_trouble_waits_as_any_call(error: Exception) -> None:
    ours = calls()
    ours.call(Scripted())
    assert ours.call(Scripted(error), is_write=True) == 7


@pytest.mark.parametrize("error", [ValueError("no UUID"), TypeError("no list"), KeyError("id")])
def test_an_answer_that_chromadb_can_make_nothing_of_is_trouble(error: Exception) -> None:
    ours, script = calls(), Scripted(error)

    def answered() -> int:
        ours.exchange.answered = True
        return script()

    assert ours.call(answered) == 7


def test_files_that_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(Temporary) as caught:
        Database.embedded(tmp_path, "default_database")
    said = str(caught.value)
    assert said.startswith(f"Chroma at the folder {tmp_path}, database 'default_database': ")
    assert "file is not a database. Check that you may write to the folder and its files" in said
    assert "server" not in said


def test_a_database_that_a_folder_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        Database.embedded(tmp_path, "nope")
    assert caught.value.reason is Reason.DATABASE_NOT_FOUND
    said = str(caught.value)
    assert "a new folder has default_database only: leave spec.databaseName out" in said
    assert "chart" not in said and "tenant" not in said


def test_a_collection_that_is_deleted_under_a_run(tmp_path: Path) -> None:
    database = Database.embedded(tmp_path, "default_database")
    collection = database.create("target", {"a": 1})
    database._server.delete_collection("target")
    with pytest.raises(Misconfigured) as caught:
        collection.count()
    assert caught.value.reason is Reason.RUN_LOST
    assert database.find("target") is None
    database.close()
