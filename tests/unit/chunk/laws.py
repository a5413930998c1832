"""The laws of chunking, each checked by other means than the product's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from chroma_sync.pipeline.chunk import Chunked, ChunkingConfig


def check(chunked: Chunked, data: bytes, config: ChunkingConfig) -> None:
    texts = [chunk.text for chunk in chunked.chunks]
    assert b"".join(texts) == data
    assert all(0 < len(text) <= config.max_size_bytes for text in texts)
    assert [chunk.n for chunk in chunked.chunks] == list(range(len(texts)))
    for text in texts:
        text.decode("utf-8")
    _check_positions(chunked, data)
    if chunked.strategy == "lines" and config.max_lines is not None:
        assert all(_lines(text) <= config.max_lines for text in texts)
    for left, right in pairwise(texts):
        both = left + right
        fit = len(both) <= config.max_size_bytes
        if chunked.strategy == "lines" and config.max_lines is not None:
            fit = fit and _lines(both) <= config.max_lines
        assert not fit, f"two neighbours have room for each other: {left!r} {right!r}"


def _lines(text: bytes) -> int:
    return text.count(b"\n") + (not text.endswith(b"\n"))


def _check_positions(chunked: Chunked, data: bytes) -> None:
    """The text between a chunk's positions, found in the list of lines, is the chunk."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    for chunk in chunked.chunks:
        inside = lines[chunk.start_line - 1 : chunk.end_line]
        inside[-1] = inside[-1][: chunk.end_col]
        inside[0] = inside[0][chunk.start_col :]
        assert b"".join(inside) == chunk.text
        assert 1 <= chunk.end_col <= len(lines[chunk.end_line - 1])
        assert 0 <= chunk.start_col < len(lines[chunk.start_line - 1])


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
        while end < len(lines) and _is_comment(lines[end], node.col_offset + 1):
            end += 1  # comments that close its body
        above = first
        while above and _is_comment(lines[above - 1], 0):
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
