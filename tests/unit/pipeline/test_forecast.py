"""A plan says what the run then does, and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.fetch import Opened, Outcome, Ref
from chroma_sync.pipeline.forecast import Forecast, forecast
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel

MakeTools = Callable[..., Toolbox]


def compare(make_tools: MakeTools, **what: Any) -> Forecast:
    """Forecast a run, see that nothing was written, run it, and compare."""
    planning = make_tools(**what)
    before = {c.name: (c.metadata, c.count()) for c in planning.database.collections()}
    told = forecast(planning)
    assert {c.name: (c.metadata, c.count()) for c in planning.database.collections()} == before
    model = HashModel(dimension=16)
    running = make_tools(**what, model=model)
    steps.run(running)
    done = running.progress.result()
    assert told.revision == done.revision
    assert told.added + told.changed == done.documents.indexed
    assert told.unchanged == done.documents.unchanged
    assert told.removed == done.documents.removed
    assert dict(told.skipped) == done.skipped
    assert told.chunks == done.chunks.written
    assert told.texts == done.chunks.embedded == model.texts
    return told


def test_from_nothing_then_an_update(make_tools: MakeTools) -> None:
    first = compare(make_tools)
    assert (first.added, first.changed, first.unchanged, first.removed) == (3, 0, 0, 0)
    assert first.skipped == {"Binary": 1}
    assert 0 < first.texts == first.chunks
    second = compare(make_tools, sha=1, policy="Update")
    assert (second.added, second.changed, second.unchanged, second.removed) == (1, 1, 1, 1)
    assert 0 < second.texts < second.chunks


def test_into_a_new_collection_with_a_previous_one(make_tools: MakeTools) -> None:
    steps.run(make_tools())
    told = compare(make_tools, sha=1, collection="next", previous="target")
    assert (told.added, told.changed) == (3, 0)
    assert 0 < told.texts < told.chunks


def test_a_document_that_became_binary_is_removed(make_tools: MakeTools) -> None:
    steps.run(make_tools())
    tools = make_tools(sha=1, policy="Update")
    opened = tools.connector.open

    def binary(ref: Ref, known: str | None) -> Outcome:
        return Opened(ref, b"\0") if ref.key == "big.py" else opened(ref, known)

    tools.connector.open = binary  # type: ignore[method-assign]
    told = forecast(tools)
    steps.run(tools)
    done = tools.progress.result()
    assert dict(told.skipped) == done.skipped == {"Binary": 1}
    assert told.removed == done.documents.removed == 2  # with small.md, which is gone


def test_it_refuses_what_the_run_refuses(make_tools: MakeTools) -> None:
    steps.run(make_tools())
    with pytest.raises(Misconfigured) as caught:
        forecast(make_tools())
    assert caught.value.reason is Reason.COLLECTION_ALREADY_INGESTED


def test_every_document_is_reported_once(make_tools: MakeTools) -> None:
    lines: list[str] = []
    tools = make_tools(model=HashModel(dimension=16, refuses="One"))
    tools.progress = Progress(lines.append)
    steps.run(tools)
    verdicts = {v.pop("document"): v for v in map(json.loads, lines)}
    assert len(verdicts) == len(lines)
    chunks = verdicts["big.py"].pop("chunks")
    assert chunks > 1
    assert verdicts == {
        "big.py": {"verdict": "indexed", "bytes": verdicts["big.py"]["bytes"]},
        "picture.png": {"verdict": "skipped", "reason": "Binary"},
        "same.txt": {"verdict": "indexed", "bytes": 14, "chunks": 1},
        "small.md": {
            "verdict": "failed",
            "reason": "EmbeddingRejected",
            "message": "refused by the test",
        },
    }
