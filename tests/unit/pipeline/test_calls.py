"""Calls of Chroma: what is tried again, and what each failure means."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from chromadb import errors

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.index.calls import Calls
from chroma_sync.pipeline.index.chroma import Database

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
    return Calls("http://chroma:8000", seconds, lambda _: None, on_wait)


def test_trouble_is_waited_out_and_told() -> None:
    told: list[str] = []
    script = Scripted(httpx.ConnectError("refused"), Exception("<html>502</html>"))
    assert calls(told).call(script) == 7
    assert told == [
        f"Chroma at http://chroma:8000: refused. {ADVICE}",
        f"Chroma at http://chroma:8000: <html>502</html>. {ADVICE}",
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


def test_a_fault_of_the_program_is_not_tried_again() -> None:
    script = Scripted(TypeError("no such argument"), TypeError("again"))
    with pytest.raises(TypeError, match="no such argument"):
        calls().call(script)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.NotFoundError("Database nope not found"), Reason.DATABASE_NOT_FOUND),
        (errors.ChromaAuthError("no"), Reason.CREDENTIALS_REJECTED),
        (errors.InvalidDimensionException("got 3, not 2"), Reason.COLLECTION_MODEL_MISMATCH),
        (errors.InvalidArgumentError("bad"), Reason.INTERNAL_ERROR),
    ],
)
def test_what_stays_wrong_is_not_tried_again(error: Exception, reason: Reason) -> None:
    script = Scripted(error, AssertionError("called twice"))
    with pytest.raises(StepError) as caught:
        calls().call(script)
    assert caught.value.reason is reason


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
    database._client.delete_collection("target")
    with pytest.raises(Misconfigured) as caught:
        collection.count()
    assert caught.value.reason is Reason.RUN_LOST
    assert database.find("target") is None
    database.close()
