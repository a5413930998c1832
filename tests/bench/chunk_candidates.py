"""What `make bench-chunk` compares: our chunker, a bare parse, and chunkers of others.

Each of them is set to keep all text, as far as it has a setting for that, and to the same limit.
Imports are late: a peer that could not be installed must not hide the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Literal, cast

from tree_sitter import Language, Parser
from tree_sitter_language_pack import SupportedLanguage, get_binding, get_parser

from bench.chunk_corpus import File
from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.chunk.cuts import Cuts
from chroma_sync.pipeline.chunk.parser import BoundedParser
from chroma_sync.pipeline.chunk.syntax import syntax_cuts
from chroma_sync.pipeline.extract import as_text

# One file to the texts of its chunks, in whichever type they come.
Split = Callable[[File], list[bytes] | list[str]]


@dataclass(frozen=True)
class Candidate:
    """`make(size, languages)` sets it up, untimed, for chunks of at most `size`; `unit` is what it
    can count; `package` is what must be installed for it."""

    name: str
    make: Callable[[int, list[str]], Split]
    unit: Literal["bytes", "characters"] = "bytes"
    package: str | None = None


def bare_parse(_: int, __: list[str]) -> Split:
    def split(file: File) -> list[bytes] | list[str]:
        Parser(_grammar(file.language)).parse(file.data)
        return [file.data]

    return split


class ParserHere(BoundedParser):
    """Parses where it is called."""

    def cuts(self, language: str, data: bytes, max_size: int) -> Cuts:
        return syntax_cuts(language, data, max_size)


def in_process(size: int, _: list[str]) -> Split:
    chunker = Chunker(_config(size))
    chunker._parser = ParserHere(Limits(), lambda: None)
    return _texts(chunker)


def in_child(size: int, _: list[str]) -> Split:
    return _texts(Chunker(_config(size)))


def _texts(chunker: Chunker) -> Split:
    return lambda file: [c.text for c in chunker.chunk(as_text(file.path.name, file.data))]


def _config(size: int) -> ChunkingConfig:
    return ChunkingConfig("tree_sitter", size, None)


def llama_index(size: int, languages: list[str]) -> Split:
    splitter = import_module("llama_index.core.node_parser").CodeSplitter
    made = {
        language: splitter(
            language=language,
            max_chars=size,
            parser=get_parser(cast("SupportedLanguage", language)),
            tokenizer=list,  # not used for characters; the default one wants a download
        )
        for language in languages
    }
    return lambda file: list(made[file.language].split_text(file.text))


def langchain(size: int, languages: list[str]) -> Split:
    splitters = import_module("langchain_text_splitters")
    names = {"javascript": "js", "typescript": "ts"}
    made = {
        language: splitters.RecursiveCharacterTextSplitter.from_language(
            splitters.Language(names.get(language, language)),
            chunk_size=size,
            chunk_overlap=0,
            strip_whitespace=False,
        )
        for language in languages
    }
    return lambda file: list(made[file.language].split_text(file.text))


def chonkie(size: int, languages: list[str]) -> Split:
    chunker = import_module("chonkie").CodeChunker
    made = {name: chunker("character", chunk_size=size, language=name) for name in languages}
    return lambda file: [chunk.text for chunk in made[file.language].chunk(file.text)]


def semantic_text_splitter(size: int, languages: list[str]) -> Split:
    splitter = import_module("semantic_text_splitter").CodeSplitter
    made = {
        language: splitter(get_binding(cast("SupportedLanguage", language)), size, trim=False)
        for language in languages
    }
    return lambda file: list(made[file.language].chunks(file.text))


def cocoindex(size: int, _: list[str]) -> Split:
    os.environ["COCOINDEX_DISABLE_USAGE_TRACKING"] = "1"
    splitter = import_module("cocoindex.ops.text").RecursiveSplitter()
    return lambda file: [
        chunk.text for chunk in splitter.split(file.text, size, language=file.language)
    ]


@cache
def _grammar(language: str) -> Language:
    return Language(get_binding(cast("SupportedLanguage", language)))


BARE = Candidate("bare tree-sitter parse", bare_parse)
OURS = (
    Candidate("chroma-sync, parse and cuts", in_process),
    Candidate("chroma-sync, whole path with its child process", in_child),
)
PEERS = (
    Candidate("LlamaIndex CodeSplitter", llama_index, "characters", "llama-index-core"),
    Candidate("LangChain from_language", langchain, "characters", "langchain-text-splitters"),
    Candidate("Chonkie CodeChunker", chonkie, "characters", "chonkie[code]"),
    Candidate(
        "semantic-text-splitter", semantic_text_splitter, "characters", "semantic-text-splitter"
    ),
    Candidate("CocoIndex RecursiveSplitter", cocoindex, "bytes", "cocoindex"),
)
