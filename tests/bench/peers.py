"""Other projects' chunkers, for benches. They live in an environment of their own.

`python -m bench.peers NAME LIMIT` there reads a JSON list of `[language, text]` from standard input
and writes JSON: `pieces`, for each text the byte ranges of its pieces in order, and `seconds`, how
long cutting took. `cut` does all that from the benches' own environment.

Limits count bytes here, alike for each; for speed see chunk_candidates.py, where each counts what
it counts fastest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import peers_environment

ROOT = Path(__file__).resolve().parent.parent.parent
_SECONDS = 900

Splitter = Callable[[str], Sequence[str]]
"""A text to its pieces, in order. A peer may leave out text between them, mostly blanks."""


@dataclass(frozen=True)
class Cut:
    """What became of some texts: the byte ranges (begin, end) of each one's pieces."""

    pieces: list[list[tuple[int, int]]]
    seconds: float


def cut(name: str, limit: int, texts: Sequence[tuple[str, str]]) -> Cut:
    """Have a peer cut texts, each with the name of its language (as the grammars are called), into
    pieces of at most `limit` bytes."""
    environment = os.environ | {"COCOINDEX_DISABLE_USAGE_TRACKING": "1"}
    done = subprocess.run(
        [str(peers_environment.python()), "-m", "bench.peers", name, str(limit)],
        input=json.dumps(texts).encode(),
        stdout=subprocess.PIPE,
        env=environment | {"PYTHONPATH": str(ROOT / "tests")},
        timeout=_SECONDS,
        check=True,
    )
    answer = json.loads(done.stdout)
    pieces = [[(begin, end) for begin, end in one] for one in answer["pieces"]]
    return Cut(pieces, answer["seconds"])


# In the peers' environment. Modules are imported by name: the benches' own lacks them.


def _size(text: str) -> int:
    return len(text.encode())


def _llamaindex(language: str, limit: int) -> Splitter:
    """Its tokens are bytes here, so that its limit is one of bytes."""
    splitter = import_module("llama_index.core.node_parser").CodeSplitter(
        language, count_mode="token", max_tokens=limit, tokenizer=str.encode
    )
    split: Splitter = splitter.split_text
    return split


_LANGCHAIN_NAMES = {"javascript": "js", "typescript": "ts"}


def _langchain(language: str, limit: int) -> Splitter:
    splitters = import_module("langchain_text_splitters")
    splitter = splitters.RecursiveCharacterTextSplitter.from_language(
        splitters.Language(_LANGCHAIN_NAMES.get(language, language)),
        chunk_size=limit,
        chunk_overlap=0,
        length_function=_size,
    )
    split: Splitter = splitter.split_text
    return split


def _chonkie(language: str, limit: int) -> Splitter:
    chunker = import_module("chonkie").CodeChunker(
        tokenizer="byte", chunk_size=limit, language=language
    )
    return lambda text: [chunk.text for chunk in chunker.chunk(text)]


def _semantic(language: str, limit: int) -> Splitter:
    binding = import_module("tree_sitter_language_pack").get_binding(language)
    splitters = import_module("semantic_text_splitter")
    splitter = splitters.CodeSplitter.from_callback(binding, _size, limit, trim=False)
    split: Splitter = splitter.chunks
    return split


def _cocoindex(language: str, limit: int) -> Splitter:
    splitter = import_module("cocoindex.ops.text").RecursiveSplitter()

    def split(text: str) -> Sequence[str]:
        chunks = splitter.split(text, limit, chunk_overlap=0, language=language)
        return [chunk.text for chunk in chunks]

    return split


_MAKERS: dict[str, Callable[[str, int], Splitter]] = {
    "LlamaIndex": _llamaindex,
    "LangChain": _langchain,
    "Chonkie": _chonkie,
    "semantic-text-splitter": _semantic,
    "CocoIndex": _cocoindex,
}
PEERS = tuple(_MAKERS)


def _places(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Where the pieces stand, in bytes. Raises `ValueError` for one that is not in the text."""
    data = text.encode()
    places = []
    end = 0
    for piece in pieces:
        begin = data.index(piece.encode(), end)
        end = begin + _size(piece)
        places.append((begin, end))
    return places


def main(name: str, limit: int) -> None:
    """Cut what standard input names. Making a splitter, which loads a grammar, costs no time."""
    texts: list[tuple[str, str]] = json.load(sys.stdin)
    splitters = {language: _MAKERS[name](language, limit) for language, _ in texts}
    start = time.perf_counter()
    pieces = [splitters[language](text) for language, text in texts]
    seconds = time.perf_counter() - start
    places = [_places(text, some) for (_, text), some in zip(texts, pieces, strict=True)]
    answer: dict[str, Any] = {"pieces": places, "seconds": seconds}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
