"""What goes into the chunker and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chroma_sync.pipeline.chunk.cuts import Cuts
from chroma_sync.pipeline.text import NOTHING, SECTION, Part, Text

# Part of every record's `document_state`: bump it whenever the same file may come out in other
# chunks, also after a new release of the grammars. tests/unit/chunk/test_golden.py notices.
CHUNKER_VERSION = "5"

Strategy = Literal["tree_sitter", "lines"]
# Why a file's syntax was given up.
Fallback = Literal["parser timed out", "parser crashed", "parser out of memory"]


@dataclass(frozen=True)
class ChunkingConfig:
    """How to chunk.

    `max_size_bytes` (at least 4, a UTF-8 character's longest form) bounds every chunk; `max_lines`
    (at least 1, or None for no bound) bounds chunks made by lines only.
    """

    type: Strategy
    max_size_bytes: int
    max_lines: int | None

    def __post_init__(self) -> None:
        if self.max_size_bytes < 4:
            raise ValueError(f"chunking: max_size_bytes is {self.max_size_bytes}, least is 4")
        if self.max_lines is not None and self.max_lines < 1:
            raise ValueError(f"chunking: max_lines is {self.max_lines}, least is 1")


class Chunk(NamedTuple):
    """One piece of a text. `n` counts from 0, lines from 1, columns from 0 in bytes.

    `end_line` is the line of the chunk's last byte and `end_col` lies just past it, so a chunk
    that ends with a line feed ends on the line that this line feed closes. `strategy` says how it
    was cut; `language` and `metadata` are those of its part of the text.
    """

    n: int
    text: bytes
    start_line: int
    start_col: int
    end_line: int
    end_col: int
    strategy: Strategy
    language: str | None
    metadata: Mapping[str, str | int]


@dataclass(frozen=True)
class Chunked:
    """A whole text in chunks: their texts, joined, are the text. There may be millions of them, so
    each is made when its turn comes; in memory are the text and its cuts.

    `by_syntax` says whether its parts are cut by their syntax, those that have a language;
    `fallback` why they are not although that was asked for.
    """

    text: Text
    cuts: Cuts
    by_syntax: bool
    fallback: Fallback | None

    def __len__(self) -> int:
        return len(self.cuts)

    def text_of(self, n: int) -> bytes:
        """The text of chunk `n`."""
        return self.text.data[self.cuts[n - 1] if n else 0 : self.cuts[n]]

    def __iter__(self) -> Iterator[Chunk]:
        data, parts = self.text.data, iter(self.text.parts)
        part = Part(0, 0, None, NOTHING)
        strategy: Strategy = "lines"
        sections = _Sections(self.text)
        start = line_start = 0
        line = 1
        for n, end in enumerate(self.cuts):
            if start == part.end:
                part = next(parts)
                strategy = "lines" if part.language is None or not self.by_syntax else "tree_sitter"
            last_line_start = data.rfind(b"\n", start, end - 1) + 1 or line_start
            last_line = line + data.count(b"\n", start, end - 1)
            text = data[start:end]
            columns = start - line_start, end - last_line_start
            yield Chunk(
                *(n, text, line, columns[0], last_line, columns[1]),
                *(strategy, part.language, sections.on(part.metadata, start, text)),
            )
            if text.endswith(b"\n"):
                line, line_start = last_line + 1, end
            else:
                line, line_start = last_line, last_line_start
            start = end


class _Sections:
    """Which section of a text its chunks are of, asked in their order."""

    def __init__(self, text: Text) -> None:
        self._sections = text.sections
        self._next = 0

    def on(
        self, metadata: Mapping[str, str | int], start: int, text: bytes
    ) -> Mapping[str, str | int]:
        """The metadata of the chunk that begins at `start`; blanks at its head do not count."""
        if not self._sections:
            return metadata
        first = start + len(text) - len(text.lstrip())
        while self._next < len(self._sections) and self._sections[self._next].start <= first:
            self._next += 1
        path = self._sections[self._next - 1].path if self._next else ""
        return {**metadata, SECTION: path} if path else metadata
