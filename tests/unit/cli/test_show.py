"""What a pipe gets to read of a run."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import DocumentCounts
from chroma_sync.api.reasons import Reason
from chroma_sync.cli import show
from chroma_sync.cli.show import Display
from chroma_sync.pipeline.embed import EmbeddingUnavailable
from chroma_sync.pipeline.errors import Misconfigured, Stopped
from chroma_sync.pipeline.progress import Progress


def shown(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (
            Misconfigured(Reason.REF_NOT_FOUND, "no such branch"),
            {"event": "failed", "reason": "RefNotFound", "message": "no such branch"},
        ),
        (
            EmbeddingUnavailable("it is down"),
            {"event": "failed", "reason": "EmbeddingUnavailable", "message": "it is down"},
        ),
        (
            # A fault of the program: its text may hold anything.
            KeyError("canary"),
            {
                "event": "failed",
                "reason": "InternalError",
                "message": "The program broke off: KeyError.",
            },
        ),
        (Stopped(), {"event": "stopped"}),
        (KeyboardInterrupt(), {"event": "stopped"}),
    ],
)
def test_the_last_line_says_how_a_run_ended(
    capsys: pytest.CaptureFixture[str], error: BaseException, end: dict[str, str]
) -> None:
    so_far = Result(
        reason="ChromaUnavailable", message="waits", documents=DocumentCounts(discovered=3)
    )
    with pytest.raises(type(error)), Display("run into shop", lambda: so_far):
        raise error
    assert shown(capsys)[-1] == {"run": "run into shop", **end, "documents": {"discovered": 3}}


def test_a_run_that_is_complete_says_so_last(capsys: pytest.CaptureFixture[str]) -> None:
    with Display("run into shop", Result) as display:
        display.finish("3 documents")
    assert [line["event"] for line in shown(capsys)] == ["began", "complete"]


def test_only_what_changed_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "_LINE_SECONDS", 0.001)
    seen = [(0, ""), (3, ""), (3, ""), (4, ""), (4, "refused"), (4, "refused"), (4, "hangs")]
    seen += [(4, ""), (4, ""), (4, "refused")]
    left, all_seen = list(seen), threading.Event()

    def snapshot() -> Result:
        discovered, message = left.pop(0)
        if not left:
            all_seen.set()
            left.append((discovered, message))  # to be seen until the end
        return Result(message=message, documents=DocumentCounts(discovered=discovered))

    with Display("run into shop", snapshot):
        assert all_seen.wait(timeout=30)
    lines = [line for line in shown(capsys) if line["event"] == "goes on"]
    told = [(line["documents"]["discovered"], line.get("message", "")) for line in lines]
    assert told == [(3, ""), (4, ""), (4, "refused"), (4, "hangs"), (4, ""), (4, "refused")]


def test_two_servers_that_are_waited_for_do_not_take_turns() -> None:
    progress = Progress()
    chroma = progress.waits(Reason.CHROMA_UNAVAILABLE)
    embedding = progress.waits(Reason.EMBEDDING_UNAVAILABLE)
    chroma("refused")
    for _ in range(3):
        embedding("hangs")
        assert progress.result().message == "refused"
        chroma("refused")
        assert progress.result().message == "refused"
    chroma("")
    assert progress.result().message == "hangs"
    embedding("")
    assert progress.result().message == ""
