"""Jupyter notebooks: the sources of their cells, in their order, and their short results.

The format is that of nbformat (https://nbformat.readthedocs.io), version 3 and newer. A notebook
may be hostile: only a bounded process calls this (see `extractor.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.extract.answers import pack_refused, pack_text
from chroma_sync.pipeline.extract.errors import Refused
from chroma_sync.pipeline.extract.languages import language_named, line_comment
from chroma_sync.pipeline.text import CELL_NUMBER, Part, Text

CELLS_MAX: Final = 5_000
_RESULT_MAX: Final = 500  # characters
_DIGITS_MAX: Final = 18  # no number of ours is larger, and to read a long one takes long
# What texts can't hold: NUL, and halves of characters.
_NO_CHARACTER: Final = re.compile("[\0\ud800-\udfff]")
_PICTURE: Final = re.compile(r"(data:[\w.+-]{1,60}/[\w.+-]{1,60};base64,)[A-Za-z0-9+/=]+")
# What stands for an object that has no short form: <Figure size 640x480 with 1 Axes>.
_NAME_OF_OBJECT: Final = re.compile(r"\[?<.*>\]?", re.DOTALL)


def answer(_head: bytes, data: bytes) -> bytes:
    """The answer to a question of the extractor (see `answers.py`)."""
    try:
        return pack_text(notebook_text(data))
    except Refused as error:
        return pack_refused(error)


def notebook_text(data: bytes) -> Text:
    """The text of a notebook. Markdown cells are parts in Markdown, code cells in the kernel's
    language, other cells in none; each ends with a line feed and has its cell's number, from 1."""
    try:
        notebook = json.loads(data, parse_int=lambda digits: int(digits[:_DIGITS_MAX]))
    except RecursionError:
        raise Refused(DocumentReason.MALFORMED, "It is nested too deeply for a notebook.") from None
    except ValueError:
        raise Refused(DocumentReason.MALFORMED, "It is no notebook: it is not JSON.") from None
    if not isinstance(notebook, dict):
        raise Refused(DocumentReason.MALFORMED, "It is no notebook: it is no JSON object.")
    parts: list[Part] = []
    texts: list[bytes] = []
    start = 0
    for number, language, text in _cells(notebook):
        whole = text if text.endswith("\n") else text + "\n"
        encoded = _NO_CHARACTER.sub("\ufffd", whole).encode()
        texts.append(encoded)
        parts.append(Part(start, start + len(encoded), language, {CELL_NUMBER: number}))
        start += len(encoded)
    return Text(b"".join(texts), tuple(parts))


def _cells(notebook: dict[str, Any]) -> Iterator[tuple[int, str | None, str]]:
    """Of each cell that is not blank its number, its language and its text."""
    language = _kernel_language(notebook)
    for number, cell in enumerate(_listed(notebook), 1):
        if not isinstance(cell, dict):
            raise Refused(DocumentReason.MALFORMED, f"Cell {number} is no JSON object.")
        kind = cell.get("cell_type")
        source = _joined(cell.get("source", cell.get("input", "")))  # `input` in version 3
        if source is None:
            raise Refused(DocumentReason.MALFORMED, f"The source of cell {number} is no text.")
        if not source.strip():
            continue
        if kind == "code":
            spoken = _language_of(cell.get("language")) or language
            yield number, spoken, source + _results(cell, spoken, source)
        elif kind == "markdown":
            yield number, "markdown", _PICTURE.sub(r"\1", source)
        elif kind == "heading":  # in version 3
            level = cell.get("level")
            hashes = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1)
            yield number, "markdown", f"{hashes} {source}"
        else:
            yield number, None, source


def _listed(notebook: dict[str, Any]) -> Sequence[Any]:
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):  # in version 3
        lists = [sheet.get("cells") if isinstance(sheet, dict) else None for sheet in sheets]
        cells = None if None in lists else [c for cs in lists if isinstance(cs, list) for c in cs]
    if not isinstance(cells, list):
        raise Refused(DocumentReason.MALFORMED, "It is no notebook: it has no list of cells.")
    if len(cells) > CELLS_MAX:
        message = f"It has {len(cells)} cells; a notebook is read up to {CELLS_MAX}."
        raise Refused(DocumentReason.EXTRACTED_TOO_LARGE, message)
    return cells


def _joined(source: object) -> str | None:
    """A text, which may stand as a list of its lines; None when it is none."""
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return None


def _kernel_language(notebook: dict[str, Any]) -> str | None:
    metadata = _object(notebook.get("metadata"))
    kernel = _object(metadata.get("kernelspec"))
    named = _object(metadata.get("language_info")).get("name"), kernel.get("language")
    return next(filter(None, map(_language_of, (*named, kernel.get("name")))), None)


def _language_of(name: object) -> str | None:
    return language_named(name) if isinstance(name, str) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _results(cell: dict[str, Any], language: str | None, source: str) -> str:
    """The short results of a code cell, as comments below its source. A language whose comments are
    not known has none."""
    mark = line_comment(language)
    outputs = cell.get("outputs")
    if mark is None or not isinstance(outputs, list):
        return ""
    lines = [line for output in outputs for line in _result(output).splitlines()]
    if not lines:
        return ""
    gap = "" if source.endswith("\n") else "\n"
    return gap + "".join(f"{mark} {line}\n" for line in ("Output:", *lines))


def _result(output: object) -> str:
    """The text of one output if it is short and says something."""
    found = _object(output)
    # `text` in version 3; of a stream it is what was printed, and no result.
    text = _object(found.get("data")).get("text/plain")
    if text is None and found.get("output_type") == "pyout":
        text = found.get("text")
    plain = (_joined(text) or "").strip()
    return "" if len(plain) > _RESULT_MAX or _NAME_OF_OBJECT.fullmatch(plain) else plain
