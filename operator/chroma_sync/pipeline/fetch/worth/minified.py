"""Whether JavaScript or CSS is what a build made: minified, bundled or compiled."""

from __future__ import annotations

import re
from typing import Final

_ENDINGS: Final = (".js", ".mjs", ".cjs", ".css")
# linguist's bound for the mean length of lines. It counts characters: a line in Chinese has three
# bytes for each.
_LONG_LINES: Final = 110
_SMALLEST: Final = 500  # bytes. One long line of configuration is no bundle.
# Sentences have blanks: a page of translations may have long lines too, and is written by people.
_BLANK_SHARE: Final = 0.12
_SOURCE_MAP: Final = re.compile(rb"/[*/][#@] source(?:Mapping)?URL=")
_COFFEE: Final = re.compile(rb"__(?:bind|extends|hasProp|indexOf|slice)\b")
_BUNDLE: Final = re.compile(
    rb"\{ // webpackBootstrap|\bfunction webpackUniversalModuleDefinition\("
)


def is_built(suffix: str, text: bytes) -> bool:
    """Whether a build made the text. `suffix` in lower case."""
    return suffix in _ENDINGS and (
        _is_minified(text)
        or any(_SOURCE_MAP.match(line) for line in text.rsplit(b"\n", 2)[-2:])
        or _BUNDLE.search(text[:2_048]) is not None
        or _is_coffee(suffix, text)
    )


def _is_minified(text: bytes) -> bool:
    characters = len(text.decode("utf-8", "replace"))
    if len(text) < _SMALLEST or characters <= _LONG_LINES * (text.count(b"\n") + 1):
        return False
    blanks = text.count(b" ") + text.count(b"\t")
    return blanks < _BLANK_SHARE * characters


def _is_coffee(suffix: str, text: bytes) -> bool:
    """What CoffeeScript's compiler wrote before it said so: a closure, with helpers of its own."""
    framed = text.startswith(b"(function() {\n") and text.endswith(b"\n}).call(this);\n")
    return suffix == ".js" and framed and _COFFEE.search(text) is not None
