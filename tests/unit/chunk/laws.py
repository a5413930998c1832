"""The laws of chunking, each checked by other means than the product's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from chroma_sync.pipeline.chunk import Chunked, ChunkingConfig
from chroma_sync.pipeline.chunk.chunks import Strategy


def check(chunked: Chunked, data: bytes, config: ChunkingConfig) -> None:
    texts = [chunk.text for chunk in chunked]
    assert b"".join(texts) == data
    assert all(0 < len(text) <= config.max_size_bytes for text in texts)
    assert [chunk.n for chunk in chunked] == list(range(len(texts)))
    assert [chunked.text_of(n) for n in range(len(chunked))] == texts
    for text in texts:
        text.decode("utf-8")
    _check_positions(chunked, data)
    by_lines = [chunk for chunk in chunked if chunk.strategy == "lines"]
    if config.max_lines is not None:
        assert all(_lines(chunk.text) <= config.max_lines for chunk in by_lines)
    for left, right in pairwise(chunked):
        both = left.text + right.text
        fit = len(both) <= config.max_size_bytes
        if left.strategy == "lines" and config.max_lines is not None:
            fit = fit and _lines(both) <= config.max_lines
        if left.metadata == right.metadata:  # of one part
            assert not fit, f"two neighbours have room for each other: {left!r} {right!r}"


def strategy(chunked: Chunked) -> Strategy:
    """How all chunks of a text were cut."""
    (found,) = {chunk.strategy for chunk in chunked}
    return found


def language_in(chunked: Chunked) -> str | None:
    """The language of all chunks of a text."""
    (found,) = {chunk.language for chunk in chunked}
    return found


def _lines(text: bytes) -> int:
    return text.count(b"\n") + (not text.endswith(b"\n"))


def _check_positions(chunked: Chunked, data: bytes) -> None:
    """The text between a chunk's positions, found in the list of lines, is the chunk."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    for chunk in chunked:
        inside = lines[chunk.start_line - 1 : chunk.end_line]
        inside[-1] = inside[-1][: chunk.end_col]
        inside[0] = inside[0][chunk.start_col :]
        assert b"".join(inside) == chunk.text
        assert 1 <= chunk.end_col <= len(lines[chunk.end_line - 1])
        assert 0 <= chunk.start_col < len(lines[chunk.start_line - 1])


def declarations(
    chunked: Chunked, data: bytes, config: ChunkingConfig
) -> tuple[list[bytes], list[bytes]]:
    """The declarations in a file that fit into a chunk, with the comments right above them where
    both fit together, and those of them that lie in no chunk as a whole. Only of languages whose
    declarations are told without a grammar of ours."""
    fitting: list[bytes] = []
    if language_in(chunked) == "go":
        fitting = list(go_functions(data, config.max_size_bytes))
    elif language_in(chunked) == "python":
        # The standard library has files that are broken on purpose.
        with suppress(SyntaxError, ValueError):
            fitting = list(python_declarations(data, config.max_size_bytes))
    texts = [chunk.text for chunk in chunked]
    return fitting, [d for d in fitting if not any(d in text for text in texts)]


def go_functions(data: bytes, max_size: int) -> Iterator[bytes]:
    """The functions in a Go file that are laid out as `gofmt` does."""
    lines = data.splitlines(keepends=True)
    quotes = 0  # in a string between two of these stands whatever looks like Go
    for first, line in enumerate(lines):
        quoted = quotes % 2 == 1
        quotes += line.count(b"`")
        if quoted or not (line.startswith(b"func ") and line.endswith(b"{\n")):
            continue
        end = next((n for n in range(first, len(lines)) if lines[n].startswith(b"}")), None)
        if end is None or lines[end] != b"}\n" or b"`" in b"".join(lines[first:end]):
            continue
        above = first
        while above and lines[above - 1].startswith(b"//"):
            above -= 1
        whole = b"".join(lines[above : end + 1]).rstrip()
        alone = b"".join(lines[first : end + 1]).rstrip()
        if len(whole) <= max_size:
            yield whole
        elif len(alone) <= max_size:
            yield alone


def python_declarations(data: bytes, max_size: int) -> Iterator[bytes]:
    """The functions and classes in a Python file, as `ast` sees them, that fit into `max_size`:
    each with its decorators and, where they fit together, the comments right above."""
    lines = data.splitlines(keepends=True)
    for node in ast.walk(ast.parse(data)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        assert node.end_lineno is not None and node.end_col_offset is not None
        if lines[node.end_lineno - 1][node.end_col_offset :].strip():
            continue  # something else follows on its last line
        end = node.end_lineno
        next_ = end
        while next_ < len(lines) and (
            not lines[next_].strip() or _is_comment(lines[next_], node.col_offset + 1)
        ):
            next_ += 1
            if lines[next_ - 1].strip():
                end = next_  # comments that close its body
        above = first
        while (
            above
            and _is_comment(lines[above - 1], 0)
            # One that is indented further belongs to the body before.
            and not _is_comment(lines[above - 1], node.col_offset + 1)
        ):
            above -= 1
        whole = b"".join(lines[above:end]).rstrip()
        alone = b"".join(lines[first:end]).strip()
        if above < first and len(whole) <= max_size:
            yield whole
        elif len(alone) <= max_size:
            yield alone


def _is_comment(line: bytes, least_indent: int) -> bool:
    text = line.lstrip()
    return text.startswith(b"#") and len(line) - len(text) >= least_indent
