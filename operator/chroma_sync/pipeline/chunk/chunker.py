"""Texts to chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.children.protocol import DATA_MAX
from chroma_sync.pipeline.chunk.cuts import line_cuts
from chroma_sync.pipeline.chunk.model import Chunk, Chunked, ChunkingConfig, Strategy
from chroma_sync.pipeline.chunk.parser import BoundedParser, GaveUp
from chroma_sync.pipeline.closing import Closing
from chroma_sync.pipeline.text import Part, Text

# A syntax tree takes more than this many times its text.
_LEAST_TREE_FACTOR = 8


class CutPart(NamedTuple):
    """A part of a text, how it was cut, and where its chunks end, from its start."""

    part: Part
    strategy: Strategy
    cuts: list[int]


class Chunker(Closing):
    """Cuts texts into chunks by one configuration; a context manager, for one thread.

    It parses in a process of its own; a parse over the limits, or one that crashes, costs that
    process and not the run: the text is cut by lines (see `Chunked.fallback`) and the next one
    meets a new one.
    """

    def __init__(
        self,
        config: ChunkingConfig,
        limits: Limits | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` is called while a parse is waited for; what it raises ends the parse."""
        self._config = config
        self._limits = limits or Limits()
        self._parser = BoundedParser(self._limits, check)

    def close(self) -> None:
        """Ends the parser's process."""
        self._parser.close()

    def chunk(self, text: Text) -> Chunked:
        """The chunks of a text.

        Their texts, joined, are the text; none is over the configured size, cuts a character or
        reaches from one part into another; two neighbours of a part never fit into one chunk
        together. Where one part gives up its syntax, all do: so there are two ways to cut a text,
        and not one for each part. Raises `NotRunning` where a parse fails and that tells nothing of
        the text (see `BoundedParser`).
        """
        fallback = None
        try:
            cut = [self._cut(text, part) for part in text.parts]
        except GaveUp as error:
            fallback = error.reason
            cut = [self._cut_by_lines(text, part) for part in text.parts]
        return Chunked(as_chunks(text, cut), fallback)

    def _cut(self, text: Text, part: Part) -> CutPart:
        """Raises `GaveUp`."""
        if self._config.type == "lines" or part.language is None:
            return self._cut_by_lines(text, part)
        cuts = self._syntax_cuts(part.language, text.data[part.start : part.end])
        return CutPart(part, "tree_sitter", cuts)

    def _cut_by_lines(self, text: Text, part: Part) -> CutPart:
        config, data = self._config, text.data[part.start : part.end]
        return CutPart(part, "lines", line_cuts(data, config.max_size_bytes, config.max_lines))

    def _syntax_cuts(self, language: str, data: bytes) -> list[int]:
        max_size = self._config.max_size_bytes
        if len(data) <= max_size:  # one chunk, whatever the syntax
            return [len(data)]
        if len(data) > min(self._limits.memory_bytes // _LEAST_TREE_FACTOR, DATA_MAX):
            raise GaveUp("parser out of memory")
        return self._parser.cuts(language, data, max_size)


def as_chunks(text: Text, cut: Iterable[CutPart]) -> tuple[Chunk, ...]:
    """The chunks that end at the cuts, with their lines and columns in the whole text."""
    data = text.data
    chunks: list[Chunk] = []
    start = line_start = 0
    line = 1
    for part, strategy, cuts in cut:
        language, metadata, offset = part.language, part.metadata, part.start
        for in_part in cuts:
            end = offset + in_part
            last_line_start = data.rfind(b"\n", start, end - 1) + 1 or line_start
            last_line = line + data.count(b"\n", start, end - 1)
            chunk = data[start:end]
            columns = start - line_start, end - last_line_start
            chunks.append(
                Chunk(
                    *(len(chunks), chunk, line, columns[0], last_line, columns[1]),
                    *(strategy, language, metadata),
                )
            )
            if chunk.endswith(b"\n"):
                line, line_start = last_line + 1, end
            else:
                line, line_start = last_line, last_line_start
            start = end
    return tuple(chunks)
