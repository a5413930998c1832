"""No document is listed, read, extracted, cut or embedded twice in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.chunk import Chunked, Chunker
from chroma_sync.pipeline.embed import EmbeddingRejected, Vectors
from chroma_sync.pipeline.extract import Extractor
from chroma_sync.pipeline.fetch import Outcome, Ref
from chroma_sync.pipeline.index.records import document_sha
from chroma_sync.pipeline.seal import Seal
from chroma_sync.pipeline.shards import Shard, shard_of
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
    refs, opened = tools.connector.refs, tools.connector.open
    extract, chunk = Extractor.extract, Chunker.chunk

    def listed() -> Generator[Ref, None, None]:
        counts["listed"]["listings"] += 1
        yield from refs()

    def read_once(ref: Ref, known: str | None) -> Outcome:
        counts["read"][ref.key] += 1
        return opened(ref, known)

    def extracted(self: Extractor, key: str, data: bytes, **more: Any) -> Text:
        counts["extracted"][key] += 1
        return extract(self, key, data, **more)

    def cut(self: Chunker, text: Text) -> Chunked:
        counts["cut"][text.data.decode()] += 1
        return chunk(self, text)

    monkeypatch.setattr(tools.connector, "refs", listed)
    monkeypatch.setattr(tools.connector, "open", read_once)
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


SHARDS = 3


def worked(make_tools: MakeTools, run: str, model: CountingModel) -> list[str]:
    """Plan, and let all pods work. Returns what they say of their verdicts."""
    steps.plan(make_tools(run=run))
    seals = []
    for shard in range(SHARDS):
        pod = make_tools(run=run, model=model)
        steps.work(pod, Shard(shard, SHARDS))
        seals.append(pod.progress.result().seal)
    return seals


@pytest.mark.parametrize("refused", ["# One", "nothing at all"])
def test_over_several_pods(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Finish reads nothing: picture.png was skipped, and a text may be refused."""
    model = CountingModel(refused)
    seals = worked(make_tools, "r", model)
    before = model.texts
    last = make_tools(run="r", model=model)
    last.configuration.seals = seals
    counts = count(last, monkeypatch)
    steps.finish(last)
    assert counts["listed"] == {"listings": 1}
    assert counts["read"] == counts["cut"] == {}
    assert model.texts == before
    assert set(model.given.values()) <= {1}
    monkeypatch.undo()
    fresh = make_tools(collection="fresh", model=CountingModel(refused))
    steps.run(fresh)
    assert contents(last) == contents(fresh, "fresh")


@pytest.mark.parametrize("what", ["a record is lost", "a pod's word is lost", "another listing"])
def test_finish_looks_again_where_it_does_not_agree(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    seals = worked(make_tools, "r", CountingModel("nothing at all"))
    last = make_tools(run="r")
    collection = last.database.find("target")
    assert collection is not None
    shards = {key: shard_of(Ref(key, "", 0), SHARDS) for key in _ALL}
    if what == "a record is lost":
        again = shards["small.md"]
        collection.delete([f"{document_sha('small.md')}-0"])
    elif what == "a pod's word is lost":
        again = shards["picture.png"]
        seals[again] = ""
    else:
        again = shards["big.py"]
        seals[again] = str(Seal())
    last.configuration.seals = seals
    counts = count(last, monkeypatch)
    steps.finish(last)
    looked_at = {"picture.png"} if shards["picture.png"] == again else set()
    looked_at |= {"small.md"} if what == "a record is lost" else set()
    assert counts["read"] == dict.fromkeys(looked_at, 1)
    monkeypatch.undo()
    fresh = make_tools(collection="fresh")
    steps.run(fresh)
    assert contents(last) == contents(fresh, "fresh")
