"""The laws of chunking over every file of the source trees that this machine has."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

from bench.chunk_corpus import files, roots
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.extract import as_text
from unit.chunk.laws import check, declarations

CONFIG = ChunkingConfig("tree_sitter", 2_000, None)


def print_whole_trees() -> None:
    """Print, for each tree, how many files kept the laws and which did not."""
    warnings.simplefilter("ignore")  # what Python's compiler has to say about its own tests
    print("\n| tree | files | MB | languages | gave up | broke a law | declarations cut |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for root in roots():
        print_tree(root)


def print_tree(root: Path) -> None:
    languages: Counter[str] = Counter()
    size = fitting = cut = 0
    notes: list[str] = []
    gave_up = broken = 0
    with Chunker(CONFIG) as chunker:
        for file in files(root):
            chunked = chunker.chunk(as_text(file.path.name, file.data))
            languages[file.language] += 1
            size += len(file.data)
            if chunked.fallback is not None:
                gave_up += 1
                notes.append(f"{file.path}: {chunked.fallback}")
            try:
                check(chunked, file.data, CONFIG)
            except AssertionError as error:
                broken += 1
                notes.append(f"{file.path}: {error}")
            whole, parted = declarations(chunked, file.data, CONFIG)
            fitting += len(whole)
            cut += len(parted)
            notes += [f"{file.path}: cut {text[:60]!r}" for text in parted]
    counts = f"{languages.total()} | {size / 1e6:.0f} | {len(languages)}"
    print(f"| {root} | {counts} | {gave_up} | {broken} | {cut} of {fitting} |")
    for note in notes:
        print(f"  {note}")
