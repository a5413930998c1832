"""Files to chunks."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.children.protocol import DATA_MAX
from chroma_sync.pipeline.chunk.cuts import line_cuts
from chroma_sync.pipeline.chunk.languages import language_of
from chroma_sync.pipeline.chunk.model import Chunk, Chunked, ChunkingConfig
from chroma_sync.pipeline.chunk.parser import BoundedParser, GaveUp

_HEAD_BYTES = 4096
# A syntax tree takes more than this many times its text.
_LEAST_TREE_FACTOR = 8


class Chunker:
    """Cuts files into chunks by one configuration; a context manager, for one thread.

    It parses in a process of its own; a parse over the limits, or one that crashes, costs that
    process and not the run: the file is cut by lines (see `Chunked.fallback`) and the next one
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
        """Ends the parser's process."""
        self._parser.close()

    def chunk(self, key: str, data: bytes) -> Chunked:
        """The chunks of a file. `key` is its path, `data` is valid UTF-8 and may be empty.

        The chunks' texts, joined, are `data`; none is over the configured size or cuts a
        character; two neighbours never fit into one chunk together. Raises `NotRunning` if no
        parser can be started, or none gets to run.
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
        if len(data) > min(self._limits.memory_bytes // _LEAST_TREE_FACTOR, DATA_MAX):
            raise GaveUp("parser out of memory")
        return self._parser.cuts(language, data, max_size)


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
