"""Files to chunks."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from chroma_sync.pipeline.chunk.cuts import line_cuts
from chroma_sync.pipeline.chunk.languages import language_of
from chroma_sync.pipeline.chunk.model import Chunk, Chunked, ChunkingConfig
from chroma_sync.pipeline.chunk.parser import GaveUp, Limits, ParserProcess, ParserUnavailable
from chroma_sync.pipeline.chunk.protocol import MAX_DATA_BYTES

_HEAD_BYTES = 4096
# A syntax tree takes more than this many times its text.
_LEAST_TREE_FACTOR = 8


class Chunker:
    """Cuts files into chunks by one configuration; a context manager, for one thread.

    It owns one child process that parses; a parse over the limits, or one that crashes, costs the
    child and not the run: the file is cut by lines (see `Chunked.fallback`) and the next one meets
    a new child.
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
        self._check = check
        self._parser: ParserProcess | None = None

    def __enter__(self) -> Chunker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child."""
        if self._parser is not None:
            self._parser.close()
            self._parser = None

    def chunk(self, key: str, data: bytes) -> Chunked:
        """The chunks of a file. `key` is its path, `data` is valid UTF-8 and may be empty.

        The chunks' texts, joined, are `data`; none is over the configured size or cuts a
        character; two neighbours never fit into one chunk together. Raises `ParserUnavailable` if
        no child can be started, or none gets to run.
        """
        config = self._config
        language = language_of(key, data[:_HEAD_BYTES])
        if config.type == "tree_sitter" and language is not None:
            try:
                chunks = as_chunks(data, self._syntax_cuts(language, data))
                return Chunked("tree_sitter", language, chunks, None)
            except GaveUp as error:
                fallback = error.reason
        else:
            fallback = None
        cuts = line_cuts(data, config.max_size_bytes, config.max_lines)
        return Chunked("lines", language, as_chunks(data, cuts), fallback)

    def _syntax_cuts(self, language: str, data: bytes) -> list[int]:
        max_size = self._config.max_size_bytes
        if len(data) <= max_size:  # one chunk, or none, whatever the syntax
            return [len(data)] if data else []
        if len(data) > min(self._limits.memory_bytes // _LEAST_TREE_FACTOR, MAX_DATA_BYTES):
            raise GaveUp("parser out of memory")
        try:
            return self._child().cuts(language, data, max_size)
        except (GaveUp, ParserUnavailable) as error:
            if isinstance(error, GaveUp) and error.reason == "parser timed out":
                raise
            # The child may have suffered from files before or from a busy machine, and how a file
            # is cut must not depend on either. A new child knows this file only.
            return self._child().cuts(language, data, max_size)

    def _child(self) -> ParserProcess:
        if self._parser is None or not self._parser.lives():
            self.close()
            self._parser = ParserProcess(self._limits, self._check)
        return self._parser


def as_chunks(data: bytes, cuts: list[int]) -> tuple[Chunk, ...]:
    """The chunks that end at `cuts`, with their lines and columns."""
    chunks: list[Chunk] = []
    start = line_start = 0
    line = 1
    for n, end in enumerate(cuts):
        last_line_start = data.rfind(b"\n", start, end - 1) + 1 or line_start
        last_line = line + data.count(b"\n", start, end - 1)
        text = data[start:end]
        chunks.append(Chunk(n, text, line, start - line_start, last_line, end - last_line_start))
        if text.endswith(b"\n"):
            line, line_start = last_line + 1, end
        else:
            line, line_start = last_line, last_line_start
        start = end
    return tuple(chunks)
