"""The laws of chunking over real files, cut files and arbitrary text."""

from __future__ import annotations

import random
import sysconfig
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from _pytest.capture import CaptureFixture
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.chunk_corpus import files
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.extract import as_text
from unit.chunk.laws import check, declarations, strategy

STDLIB = Path(sysconfig.get_paths()["stdlib"])
PACKAGES = Path(sysconfig.get_paths()["purelib"])


def corpus() -> list[Path]:
    """Real files: some of the standard library, and whatever else packages bring."""
    files = sorted(STDLIB.glob("*.py"))[:60]
    for suffix in ("js", "ts", "css", "html", "md", "json", "toml", "yaml", "c", "h", "cpp", "go"):
        files += sorted(PACKAGES.rglob(f"*.{suffix}"))[:4]
    return [f for f in files if 0 < f.stat().st_size < 200_000 and _is_text(f)]


def _is_text(file: Path) -> bool:
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


CORPUS = corpus()
SYNTAX = ChunkingConfig("tree_sitter", 1000, None)
# Parts that may run side by side.
PARTS = 4
# It reads dedented lines in brackets as the end of the function.
MISREAD_BY_THE_GRAMMAR = {"test_compile.py"}


@pytest.fixture(scope="module")
def chunker() -> Iterator[Chunker]:
    with Chunker(SYNTAX) as made:
        yield made


def test_the_corpus_is_worth_it() -> None:
    assert len(CORPUS) >= 70
    assert len({f.suffix for f in CORPUS}) >= 6


@pytest.mark.parametrize("file", CORPUS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_real_files(file: Path, chunker: Chunker) -> None:
    data = file.read_bytes()
    chunked = chunker.chunk(as_text(file.name, data))
    check(chunked, data, SYNTAX)
    assert chunked.fallback is None
    assert chunker.chunk(as_text(file.name, data)) == chunked, "the same file, cut in another way"


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(CORPUS), st.integers(0, 10**9), st.integers(4, 3000))
def test_broken_files(file: Path, seed: int, size: int) -> None:
    """Files with bytes lost, doubled and moved: their syntax is broken anywhere."""
    chooser = random.Random(seed)
    data = bytearray(file.read_bytes()[:20_000])
    for _ in range(chooser.randrange(1, 8)):
        a, b = sorted((chooser.randrange(len(data) + 1), chooser.randrange(len(data) + 1)))
        part = data[a : min(b, a + 200)]
        del data[a : min(b, a + chooser.randrange(200))]
        at = chooser.randrange(len(data) + 1)
        data[at:at] = part
    text = bytes(data).decode("utf-8", "ignore").encode()
    config = ChunkingConfig("tree_sitter", size, None)
    with Chunker(config) as made:
        check(made.chunk(as_text(file.name, text)), text, config)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.integers(4, 60), st.integers(1, 5))
def test_lines_of_any_text(text: str, size: int, lines: int) -> None:
    data = text.encode("utf-8", "ignore")
    config = ChunkingConfig("lines", size, lines)
    with Chunker(config) as made:
        chunked = made.chunk(as_text("a.txt", data))
    check(chunked, data, config)
    assert not data or strategy(chunked) == "lines"


@pytest.mark.parametrize("part", range(PARTS))
def test_every_file_of_the_standard_library(
    part: int, chunker: Chunker, capsys: CaptureFixture[str]
) -> None:
    """Also that declarations stay whole, with their comments and decorators."""
    warnings.simplefilter("ignore")  # what the compiler has to say about these files
    ran = whole = 0
    broken: set[str] = set()
    for file in islice(files(STDLIB), part, None, PARTS):
        chunked = chunker.chunk(as_text(file.path.name, file.data))
        check(chunked, file.data, SYNTAX)
        assert chunked.fallback is None, file.path
        fitting, cut = declarations(chunked, file.data, SYNTAX)
        ran += 1
        whole += len(fitting) - len(cut)
        broken |= {file.path.name} if cut else set()
    with capsys.disabled():
        print(f" [{ran} files, {whole} whole declarations] ", end="")
    assert ran > 200
    assert whole > 2000
    assert broken <= MISREAD_BY_THE_GRAMMAR


def test_an_empty_file_has_no_chunks(chunker: Chunker) -> None:
    assert not list(chunker.chunk(as_text("a.py", b"")))
