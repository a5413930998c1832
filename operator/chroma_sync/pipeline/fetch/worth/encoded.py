"""Texts that are mostly data in another form: base64, hexadecimal digits, paths of drawings.

Nobody asks for them in words, and there is a lot of them: one picture in a text makes more records
than all modules beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from chroma_sync.pipeline.words import words

_LOOKED_AT: Final = 1 << 20  # bytes
_SMALLEST: Final = 1_024  # bytes: less makes one record, and may be a sample in a page
# How much of the bytes that are no blanks. What is left of a test with its vectors, or of a page
# with a key in it, was written by someone.
_MOSTLY: Final = 0.5
_NEARLY_ALL: Final = 0.9
# Files that hold data, and nothing that a person would miss.
_DATA: Final = words(
    ".asc .b64 .base64 .cer .crt .csv .dat .data .eml .hex .json .jsonl .key .log .ndjson .pem "
    ".pub .svg .tsv .txt .uue .xml"
) | {""}
_LONG: Final = 60  # bytes: an unbroken run of data makes a word as long at least
_LEAST_DIGITS: Final = 0.1  # of the bytes that are no blanks, where half of them are such data
_BLANKS: Final = b" \t\r\n"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = _UPPER.lower()
_DIGITS: Final = b"0123456789"


def is_encoded(suffix: str, text: bytes) -> bool:
    """Whether a text is mostly such data. `suffix` in lower case.

    The time grows with what is looked at only: each pattern is a run of one class or of one group,
    begun where none is under way, and gives nothing back.
    """
    text = text[:_LOOKED_AT]
    written = _without(text, _BLANKS)
    if written < _SMALLEST:
        return False
    enough = written * (_MOSTLY if suffix in _DATA else _NEARLY_ALL)
    # Most texts are told apart without a look at the patterns.
    kinds: list[_Kind] = []
    if sum(len(word) for word in text.split() if len(word) >= _LONG) > enough:
        kinds += _UNBROKEN
    if written * (1 - _LEAST_DIGITS) > _without(text, _BLANKS + _DIGITS):
        kinds += _BROKEN
    return bool(kinds) and sum(_bytes_in(text, *kind) for kind in kinds) > enough


def _bytes_in(text: bytes, runs: re.Pattern[bytes], is_data: Callable[[bytes], bool]) -> int:
    found = (run.group() for run in runs.finditer(text))
    return sum(_without(run, _BLANKS) for run in found if is_data(run))


def _is_base64(run: bytes) -> bool:
    """Not a long name or path: those have few capitals, or nothing else."""
    capitals, small, digits = (_share(run, kind) for kind in (_UPPER, _LOWER, _DIGITS))
    return capitals > 0.2 and small > 0.1 and digits > 0.02


def _is_hex(run: bytes) -> bool:
    """Not a row of numbers, which people may have measured."""
    return _share(run, b"abcdefABCDEF") > 0.1


def _is_drawn(run: bytes) -> bool:
    """Numbers with commands between them."""
    return _share(run, _DIGITS) > 0.4 and _share(run, b"MLHVCSQTAZmlhvcsqtaz") > 0.005


def _is_any(_run: bytes) -> bool:
    return True


def _share(run: bytes, kind: bytes) -> float:
    return 1 - _without(run, kind) / len(run)


def _without(text: bytes, kind: bytes) -> int:
    return len(text.translate(None, kind))


_Kind = tuple[re.Pattern[bytes], Callable[[bytes], bool]]
# Without blanks in them.
_UNBROKEN: Final[list[_Kind]] = [
    (re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{60,}+={0,2}"), _is_base64),
    (re.compile(rb"(?<![0-9A-Za-z+/_-])[0-9a-f]{60,}+(?![0-9A-Za-z+/_-])"), _is_hex),
    (re.compile(rb"(?<![0-9A-Za-z+/_-])[0-9A-F]{60,}+(?![0-9A-Za-z+/_-])"), _is_hex),
    (re.compile(rb"(?<!\\)(?:\\x[0-9A-Fa-f]{2}){15,}+"), _is_any),
]
# With blanks: dumps in pairs or fours of digits, bytes in C, and drawings.
_BROKEN: Final[list[_Kind]] = [
    (re.compile(rb"(?<![^\s|])(?:(?:[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})[ ]{1,2}){8,}+"), _is_hex),
    (re.compile(rb"(?<![0-9A-Za-z,])(?:0[xX][0-9A-Fa-f]{1,2}[uU]?,\s{0,80}+){8,}+"), _is_any),
    (re.compile(rb"(?<![A-Za-z])[Mm][-+0-9MmZzLlHhVvCcSsQqTtAaEe.,\s]{60,}+"), _is_drawn),
]
