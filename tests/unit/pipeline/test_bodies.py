"""Documents whose bytes are in a file: it goes when nobody needs it any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.fetch import Opened, Outcome, Ref
from chroma_sync.pipeline.fetch.content import bytes_verdict
from unit.pipeline.shelf import Shelf, Shelves, lines

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[Shelves]:
    made = Shelves(tmp_path)
    yield made
    made.database.close()


class Filed(Shelf):
    """A shelf whose documents are opened as files of a folder."""

    def __init__(self, folder: Path, **texts: str) -> None:
        super().__init__(texts)
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def open(self, ref: Ref, known: str | None) -> Outcome:
        file = self._folder / ref.key
        file.write_text(self.texts[ref.key])
        return Opened(ref, file)


def test_a_file_is_indexed_as_bytes_are_and_goes(shelves: Shelves, tmp_path: Path) -> None:
    texts = {"bread": lines("bread", 5), "blank": "  \n", "binary": "\0", "page.html": "<p>Hi</p>"}
    tools = shelves.tools(Filed(tmp_path / "files", **texts))
    steps.run(tools)
    in_files = shelves.records()
    assert list((tmp_path / "files").iterdir()) == []
    result = tools.progress.result()
    assert result.bytes == sum(len(texts[key]) for key in shelves.texts())
    other = shelves.tools(texts, collection="other")
    steps.run(other)
    assert shelves.records(collection="other") == in_files
    assert other.progress.result().skipped == result.skipped


def test_a_verdict_on_the_bytes_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for data, reason in (
        (b"", DocumentReason.EMPTY),
        (POINTER, DocumentReason.LFS_POINTER),
        (POINTER * 1000, None),
        (b"text", None),
    ):
        file.write_bytes(data)
        assert bytes_verdict(file) is bytes_verdict(data) is reason
