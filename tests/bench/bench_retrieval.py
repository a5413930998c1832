"""How well chunks are found: ours beside those of other projects' chunkers.

The questions are docstrings that were cut out of the files (see docstrings.py). Every chunker cuts
the same files with the same limit in bytes; each chunk that is not blank is embedded by the small
CPU model, longer ones than the model takes in windows, as the pipeline does. For each question all
chunks of all files are ranked by cosine.

A chunk is a hit when it holds at least half of the function's bytes, or, where the function is
larger than the limit, at least half as many as the limit; a function that is torn to pieces has no
hit. `whole` is the share of the questions whose function stands whole in one chunk. A chunker that
goes over the limit has it easier: `largest` says how far it went.

A sample of 40 modules does not rank chunkers that are close: resampled by module, a difference in
MRR has a standard error of 0.012 to 0.015. Ours less CocoIndex's was -0.042 on one such, +0.048
on 40 other modules of the library's top level, -0.002 on 80 more of the library, +0.002 on all
1,015 questions. Whoever changes the cuts should ask questions of other modules too. Tried, and no
better there: a new chunk behind the rest of a split definition and at each step to a shallower
level, the shallowest cut from the first quarter on instead of the half, neighbours evened out, and
cuts of the least total cost, as CocoIndex has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench import peers
from bench.docstrings import Question, Sample, sample
from bench.kit import MAX_SIZE_BYTES
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.embed import LocalMiniLM, Vectors, embed_long
from chroma_sync.pipeline.extract import as_text

OURS = "chroma-sync"
TOP = 5


@dataclass(frozen=True)
class Piece:
    """A chunk: which bytes of which file."""

    file: int
    begin: int
    end: int


def our_pieces(files: list[tuple[str, str]]) -> list[list[tuple[int, int]]]:
    """The byte ranges of our chunks of each file."""
    pieces = []
    with Chunker(ChunkingConfig("tree_sitter", MAX_SIZE_BYTES, None)) as chunker:
        for name, text in files:
            chunks = chunker.chunk(as_text(name, text.encode()))
            ends = np.cumsum([len(chunk.text) for chunk in chunks]).tolist()
            pieces.append(list(zip([0, *ends], ends, strict=False)))
    return pieces


def pieces_of(name: str, sampled: Sample) -> list[Piece]:
    """A chunker's chunks of all files, without blank ones."""
    if name == OURS:
        ranges = our_pieces(sampled.files)
    else:
        texts = [("python", text) for _, text in sampled.files]
        ranges = peers.cut(name, MAX_SIZE_BYTES, texts).pieces
    pieces = [Piece(file, *place) for file, places in enumerate(ranges) for place in places]
    return [piece for piece in pieces if _text(sampled, piece).strip()]


def rank_of(question: Vectors, chunks: Vectors, hits: list[int]) -> int | None:
    """The best place, from 1, of a hit among all chunks by their likeness to a question; None
    without any."""
    if not hits:
        return None
    likeness = chunks @ question
    return int((likeness > likeness[hits].max()).sum()) + 1


def holding(question: Question, pieces: list[Piece], enough: float) -> list[int]:
    """Which chunks hold at least so many bytes of the function."""
    return [
        i
        for i, piece in enumerate(pieces)
        if piece.file == question.file
        and min(piece.end, question.end) - max(piece.begin, question.begin) >= enough
    ]


def hits(question: Question, pieces: list[Piece]) -> list[int]:
    """Which chunks are hits."""
    return holding(question, pieces, min(_size(question), MAX_SIZE_BYTES) / 2)


def main() -> None:
    """Print the table."""
    sampled, model = sample(), LocalMiniLM()
    asked = embed_long(model, [question.text for question in sampled.questions]).vectors
    print(f"{len(sampled.questions)} docstrings of {len(sampled.files)} modules", end=", ")
    print(f"chunks of {MAX_SIZE_BYTES} bytes\n")
    print(f"| chunker | recall@1 | recall@{TOP} | MRR | whole | chunks | largest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in (OURS, *peers.PEERS):
        pieces = pieces_of(name, sampled)
        chunks = embed_long(model, [_text(sampled, piece) for piece in pieces]).vectors
        ranks = [
            rank_of(vector, chunks, hits(question, pieces))
            for question, vector in zip(sampled.questions, asked, strict=True)
        ]
        whole = [bool(holding(one, pieces, _size(one))) for one in sampled.questions]
        scores = " | ".join(f"{score:.3f}" for score in (*_scores(ranks), np.mean(whole)))
        largest = max(piece.end - piece.begin for piece in pieces)
        print(f"| {name} | {scores} | {len(pieces)} | {largest} |", flush=True)


def _scores(ranks: list[int | None]) -> tuple[float, float, float]:
    """recall@1, recall@TOP and MRR."""
    inverse = np.array([1 / rank if rank else 0.0 for rank in ranks])
    return float((inverse == 1).mean()), float((inverse >= 1 / TOP).mean()), float(inverse.mean())


def _size(question: Question) -> int:
    return question.end - question.begin


def _text(sampled: Sample, piece: Piece) -> str:
    return sampled.files[piece.file][1].encode()[piece.begin : piece.end].decode()


if __name__ == "__main__":
    main()
