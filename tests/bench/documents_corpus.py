"""Real documents with facts that their text must hold, and which of the facts do.

The documents stay out of the project: they are in `../shared/corpus/documents` beside the
checkout, or in `CORPUS=DIR`. Its `manifest.tsv` lists them with their facts, its `check.py` judges
a text. The facts that hold are kept in `documents_facts.txt`, a document a line: its name, and the
numbers of its facts from 0.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chroma_sync.pipeline.extract import Extractor, NoText, NotExtracted
from chroma_sync.pipeline.text import PAGE, SHEET, SLIDE, Text

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = Path(__file__).with_name("documents_facts.txt")
PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff")
LOCATORS: Final = ("page", "sheet")

Fact = list[Any]
Page = tuple[int, str, str]


def folder() -> Path:
    """Where the documents are."""
    return Path(os.environ.get("CORPUS") or ROOT.parent / "shared" / "corpus" / "documents")


def why_not() -> str | None:
    """Why they can't be read; None when they can."""
    missing = [n for n in ("manifest.tsv", "check.py", "files") if not (folder() / n).exists()]
    if not missing:
        return None
    return f"{folder()} has no {', '.join(missing)}: CORPUS=DIR names another folder"


@dataclass(frozen=True)
class Document:
    """A document of the corpus, and its facts."""

    name: str
    facts: list[Fact]

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    @property
    def group(self) -> str:
        """The groups that the project's aims are set for."""
        if self.suffix == ".pdf":
            return "PDF"
        return "pictures" if self.suffix in PICTURES else "all else"

    def data(self) -> bytes:
        return (folder() / "files" / self.name).read_bytes()


@dataclass(frozen=True)
class Judged:
    """What became of a document: which of its facts hold, and why it has no text, if so."""

    document: Document
    holds: list[bool]
    error: str | None


def documents() -> Iterator[Document]:
    """Those of the manifest."""
    csv.field_size_limit(2**31 - 1)
    with (folder() / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield Document(row["file"], json.loads(row["facts_json"]))


def judge(document: Document, extractor: Extractor) -> Judged:
    """Read a document and hold its text against its facts."""
    text, pages, error = "", list[Page](), None
    try:
        found = extractor.extract(document.name, document.data())
        text, pages = found.data.decode(), list(_pages(found))
    except (NoText, NotExtracted) as refused:
        error = f"{refused.reason}: {refused}"
    return Judged(document, _check()(text, pages, error, document.facts), error)


def _pages(text: Text) -> Iterator[Page]:
    for count, part in enumerate(text.parts, 1):
        number = part.metadata.get(PAGE, part.metadata.get(SLIDE, count))
        name = part.metadata.get(SHEET, "")
        yield int(number), str(name), text.data[part.start : part.end].decode()


def _check() -> Callable[[str, list[Page], str | None, list[Fact]], list[bool]]:
    spec = importlib.util.spec_from_file_location("corpus_check", folder() / "check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    check: Callable[[str, list[Page], str | None, list[Fact]], list[bool]] = module.check
    return check


def kept() -> dict[str, set[int]]:
    """The facts that are known to hold, by the documents' names."""
    lines = (line.split("\t") for line in KEPT.read_text().splitlines())
    return {name: {int(n) for n in numbers.split()} for name, numbers in lines}


def keep(results: list[Judged]) -> None:
    """Write down which facts hold."""
    lines = [
        f"{one.document.name}\t{' '.join(str(n) for n, holds in enumerate(one.holds) if holds)}\n"
        for one in sorted(results, key=lambda one: one.document.name)
    ]
    KEPT.write_text("".join(lines))
