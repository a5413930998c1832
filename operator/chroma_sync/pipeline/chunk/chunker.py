"""Texts to chunks."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.children.protocol import DATA_MAX
from chroma_sync.pipeline.chunk.chunks import Chunked, ChunkingConfig
from chroma_sync.pipeline.chunk.cuts import CUT, Cuts, line_cuts
from chroma_sync.pipeline.chunk.parser import BoundedParser, GaveUp
from chroma_sync.pipeline.closing import Closing
from chroma_sync.pipeline.text import Text

# A syntax tree takes more than this many times its text.
_LEAST_TREE_FACTOR = 8


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
        by_syntax = self._config.type == "tree_sitter"
        try:
            return Chunked(text, self._cuts(text, by_syntax), by_syntax, None)
        except GaveUp as error:
            return Chunked(text, self._cuts(text, False), False, error.reason)

    def _cuts(self, text: Text, by_syntax: bool) -> Cuts:
        """Raises `GaveUp`."""
        config, cuts = self._config, array(CUT)
        for part in text.parts:
            data = text.data[part.start : part.end]
            if by_syntax and part.language is not None:
                in_part = self._syntax_cuts(part.language, data)
            else:
                in_part = line_cuts(data, config.max_size_bytes, config.max_lines)
            cuts.extend(part.start + cut for cut in in_part)
        return cuts

    def _syntax_cuts(self, language: str, data: bytes) -> Cuts:
        max_size = self._config.max_size_bytes
        if len(data) <= max_size:  # one chunk, whatever the syntax
            return array(CUT, [len(data)])
        if len(data) > min(self._limits.memory_bytes // _LEAST_TREE_FACTOR, DATA_MAX):
            raise GaveUp("parser out of memory")
        return self._parser.cuts(language, data, max_size)
