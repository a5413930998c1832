"""No document is listed, read, extracted, cut or embedded twice in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.chunk import Chunked, Chunker
from chroma_sync.pipeline.embed import EmbeddingRejected, Vectors
from chroma_sync.pipeline.extract import Extractor
from chroma_sync.pipeline.fetch import Entry
from chroma_sync.pipeline.text import Text
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.hash_model import HashModel
from unit.pipeline.stored import contents

MakeTools = Callable[..., Toolbox]


class CountingModel(HashModel):
    """Counts each text that it is given, also one that it refuses."""

    def __init__(self, refuses: str) -> None:
        super().__init__(dimension=16, refuses=refuses)
        self.given: Counter[str] = Counter()

    def embed(self, texts: list[str]) -> Vectors:
        try:
            return super().embed(texts)
        except EmbeddingRejected:
            self.given.update(text for text in texts if self._refuses in text)
            raise


def count(tools: Toolbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, Counter[str]]:
    """Counts of what happens to each document from now on, and of listings."""
    counts: dict[str, Counter[str]] = {
        kind: Counter() for kind in ("listed", "read", "extracted", "cut")
    }
    entries, read = tools.source.entries, tools.source.read
    extract, chunk = Extractor.extract, Chunker.chunk

    def listed() -> Iterator[Entry]:
        counts["listed"]["listings"] += 1
        yield from entries()

    def read_once(entry: Entry) -> bytes:
        counts["read"][entry.key] += 1
        return read(entry)

    def extracted(self: Extractor, key: str, data: bytes, **more: Any) -> Text:
        counts["extracted"][key] += 1
        return extract(self, key, data, **more)

    def cut(self: Chunker, text: Text) -> Chunked:
        counts["cut"][text.data.decode()] += 1
        return chunk(self, text)

    monkeypatch.setattr(tools.source, "entries", listed)
    monkeypatch.setattr(tools.source, "read", read_once)
    monkeypatch.setattr(Extractor, "extract", extracted)
    monkeypatch.setattr(Chunker, "chunk", cut)
    return counts


@pytest.mark.parametrize("run", ["the first one", "an update"])
def test_in_one_pod(make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    """Also what is skipped for its bytes (picture.png) and what the model refuses."""
    if run == "an update":
        steps.run(make_tools(sha=0))
    sha = 1 if run == "an update" else 0
    refused = "is new" if run == "an update" else "# One"
    model = CountingModel(refused)
    tools = make_tools(sha=sha, policy="Update", model=model)
    counts = count(tools, monkeypatch)
    steps.run(tools)
    done = tools.progress.result()
    assert done.documents.failed == 1
    assert counts["listed"] == {"listings": 1}
    read = ["big.py", "new.txt"] if run == "an update" else [*_ALL]
    assert counts["read"] == dict.fromkeys(read, 1)
    assert counts["extracted"] == dict.fromkeys(read, 1)
    texts = [key for key in read if key != "picture.png"]
    assert list(counts["cut"].values()) == [1] * len(texts)
    # The refused text stands in one batch with others, and is asked for once.
    assert set(model.given.values()) == {1}
    assert model.texts == done.chunks.embedded


_ALL = ("big.py", "picture.png", "same.txt", "small.md")


def test_a_document_that_was_lost_is_read_again_and_no_other(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = make_tools()
    counts = count(tools, monkeypatch)
    real = steps._work

    def disturbed(*arguments: Any) -> None:
        real(*arguments)
        collection = tools.database.find("target")
        assert collection is not None
        first = next(i for i in contents(tools) if i.endswith("-0"))
        collection.delete([first])

    monkeypatch.setattr(steps, "_work", disturbed)
    steps.run(tools)
    assert counts["listed"] == {"listings": 1}
    assert sorted(counts["read"].values()) == [1, 1, 1, 2]
    monkeypatch.undo()
    fresh = make_tools(collection="fresh")
    steps.run(fresh)
    assert contents(tools) == contents(fresh, "fresh")
