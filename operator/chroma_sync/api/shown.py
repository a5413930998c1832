"""Text of others, made fit to be shown to people: what controls a terminal, or hides in a text or
turns it around, is written out. So a file's name can't forge a line, nor clear a screen.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

# Controls (C0, DEL, C1), surrogates, separators of lines and paragraphs, and format characters. Of
# these the joiners (U+200C, U+200D) stay, which some scripts need. Source: Unicode 16, categories
# Cc, Cs, Zl, Zp and Cf; Unicode Technical Standard 39.
_FORMAT: Final = (
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_HIDDEN: Final = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029{_FORMAT}]")
# What JSON itself does not write out already.
_HIDDEN_IN_JSON: Final = re.compile(_HIDDEN.pattern.replace(r"\x00-\x1f", ""))


def visible(text: str, *, keep: str = "") -> str:
    """The text with its control characters written out, as Python writes them: `\\x1b`, `\\n`,
    `\\u202e`. Those in `keep` stay as they are."""

    def written(match: re.Match[str]) -> str:
        character = match[0]
        return character if character in keep else ascii(character)[1:-1]

    return _HIDDEN.sub(written, text)


def json_line(value: Any) -> str:
    """One line of JSON that a terminal shows as it is. A program that reads it gets every character
    back."""

    def written(match: re.Match[str]) -> str:
        return json.dumps(match[0])[1:-1]

    return _HIDDEN_IN_JSON.sub(written, json.dumps(value, ensure_ascii=False))
