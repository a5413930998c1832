"""Real documents: each fact of theirs that was found in their text once is found again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from bench import documents_corpus
from chroma_sync.pipeline.extract import Extractor

WHY_NOT = documents_corpus.why_not()
KEPT = documents_corpus.kept()
PROGRAMS = ("tesseract", "soffice")


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor() as made:
        yield made


def documents() -> list[documents_corpus.Document]:
    return [] if WHY_NOT else [d for d in documents_corpus.documents() if d.name in KEPT]


# In CI nothing is left out in silence.
@pytest.mark.skipif(
    WHY_NOT is not None and os.environ.get("CI") != "true",
    reason=f"NO DOCUMENT WAS READ: {WHY_NOT}",
)
def test_the_documents_are_there() -> None:
    assert {d.name for d in documents()} == KEPT.keys()
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    assert not missing, "make test-unit installs them where it may: see tests/programs.py"


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_no_fact_is_lost(document: documents_corpus.Document, extractor: Extractor) -> None:
    judged = documents_corpus.judge(document, extractor)
    lost = [document.facts[n] for n in sorted(KEPT[document.name]) if not judged.holds[n]]
    assert not lost, judged.error
