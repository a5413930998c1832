"""What machine-made files do to a collection, and what is left of them.

For ten real projects: how many of the records come from files that people wrote, with every text
indexed and with the rules; and which written files the rules lose. Then a small web project: what
the records are of, and what ten answers to each question are of.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from bench.noise_projects import PROJECTS, Missing, Project
from chroma_sync.api.reasons import DocumentReason
from chroma_sync.api.source import Chunking
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.embed import LocalMiniLM, embed_long
from chroma_sync.pipeline.extract import Extractor, NotExtracted
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.fetch.worth import judged
from chroma_sync.pipeline.reading import text_of
from chroma_sync.pipeline.text import Text
from fakes import web_project

EVERYTHING = frozenset(
    {DocumentReason.GENERATED, DocumentReason.VENDORED, DocumentReason.ENCODED_DATA}
)
NO_MARKS = {DocumentReason.GENERATED: None, DocumentReason.VENDORED: None}
LARGEST = 1 << 20  # maxFileSizeBytes
ANSWERS = 10
QUESTIONS = (
    "how is polling slowed down when the service fails?",
    "how is a password hashed and checked?",
    "which years had too much rain?",
    "how do I install the weather board?",
)


@dataclass(frozen=True)
class Piece:
    """One record of a file."""

    path: str
    text: str


def entry_of(path: str, data: bytes, *, rules: bool) -> Ref:
    """A file as it is listed, with the rules or without."""
    if not rules:
        return Ref(path, "", len(data), despite=EVERYTHING)
    skip, despite = judged(path, NO_MARKS, frozenset())
    return Ref(path, "", len(data), skip, despite)


def pieces(files: Mapping[str, bytes], chunker: Chunker, *, rules: bool) -> list[Piece]:
    """The records of some files."""
    found = []
    with Extractor() as extractor:
        for path, data in files.items():
            entry = entry_of(path, data, rules=rules)
            if entry.skip is not None or len(data) > LARGEST:
                continue
            with suppress(NotExtracted):
                text = text_of(entry, data, extractor)
                if isinstance(text, Text):
                    chunks = chunker.chunk(text)
                    found += [Piece(path, chunk.text.decode()) for chunk in chunks]
    return found


def print_project(project: Project, chunker: Chunker) -> None:
    """A row of the table, and the written files that the rules lose."""
    files = project.files()
    before = pieces(files, chunker, rules=False)
    after = pieces(files, chunker, rules=True)
    lost = sorted({p.path for p in before if project.written(p.path)} - {p.path for p in after})
    kept = len(after) / len(before)
    shares = " | ".join(_share(found, project) for found in (before, after))
    print(f"| {project.name} {project.version} | {project.kind} | ", end="")
    print(f"{len(before):,} | {kept:.0%} | {shares} | {len(lost)} |", flush=True)
    for path in lost:
        print(f"lost: {path}", file=sys.stderr)


def _share(found: Iterable[Piece], project: Project) -> str:
    return f"{np.mean([project.written(piece.path) for piece in found]):.0%}"


def print_web_project(chunker: Chunker) -> None:
    """What is found in the small project."""
    files = {path: file.data for path, file in web_project.files().items()}
    model = LocalMiniLM()
    asked = embed_long(model, list(QUESTIONS)).vectors
    print("\n| small web project | records | of written files | answers of written files |")
    print("| --- | --- | --- | --- |")
    for rules in (False, True):
        found = pieces(files, chunker, rules=rules)
        vectors = embed_long(model, [piece.text for piece in found]).vectors
        best = np.argsort(-(asked @ vectors.T), axis=1)[:, :ANSWERS]
        of_people = [piece.path in web_project.WRITTEN for piece in found]
        share = np.mean([of_people[i] for i in best.flat])
        name = "with the rules" if rules else "every text"
        print(f"| {name} | {len(found)} | {sum(of_people)} | {share:.0%} |", flush=True)


def main() -> None:
    """Print the tables."""
    chunking = Chunking()
    config = ChunkingConfig("tree_sitter", chunking.max_size_bytes, chunking.max_lines)
    print("| project | kind | records | kept | written, before | written, after | lost files |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with Chunker(config) as chunker:
        for project in PROJECTS:
            try:
                print_project(project, chunker)
            except Missing as missing:
                print(f"left out: {project.name}: {missing}", file=sys.stderr)
        print_web_project(chunker)


if __name__ == "__main__":
    main()
