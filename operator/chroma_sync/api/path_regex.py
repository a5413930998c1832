"""Regular expressions that the API server (RE2, as Go has it) and Python both take.

Each knows what the other does not (`\\z`, `[[:alpha:]]`, flags anywhere; `\\Z`, `\\u0041`,
possessive repeats), and some look alike and differ (`{,2}`, `^*`). So an expression has to be of a
plain kind first, which is told by an expression of its own; within it both refuse the same.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field

from chroma_sync.api.meta import ValueRule

# A character that stands for itself, one that a backslash makes so, and one in a class.
_LITERAL: Final = r"[^\x00-\x1f\x7f\\\[\](){}*+?|^$.]"
_ESCAPED: Final = r"\\[!-/:-@\[-`{-~]"
_IN_CLASS: Final = rf"(?:[^\x00-\x1f\x7f\\\[\]&~|^-]|{_ESCAPED})"
_KIND: Final = r"\\[dDwWsS]"
_CLASS: Final = rf"\[\^?(?:{_IN_CLASS}(?:-{_IN_CLASS})?|{_KIND})+\]"
_REPEAT: Final = r"[*+?]\??"
# Not of a group: RE2 bounds the product of nested ones.
_COUNT: Final = r"\{[0-9]{1,3}(?:,(?:[0-9]{1,3})?)?\}\??"
_ATOM: Final = rf"(?:{_LITERAL}|\.|{_ESCAPED}|{_KIND}|{_CLASS})(?:{_REPEAT}|{_COUNT})?"
_PLAIN: Final = rf"(?:\(\?i\))?(?:{_ATOM}|\((?:\?:)?|\)(?:{_REPEAT})?|[|^$]|\\[bB])*"
_PLAIN_RE: Final = re.compile(_PLAIN)


def _is_path_regex(text: str) -> bool:
    if not _PLAIN_RE.fullmatch(text):
        return False
    try:
        re.compile(text)
    except re.error:  # a parenthesis without the other, a range from its end to its beginning
        return False
    return True


PathRegex = Annotated[
    str,
    Field(min_length=1, max_length=256),
    ValueRule(
        "must be a plain regular expression (no looking around, no back references, no flags but "
        "(?i) at its beginning), such as ^/docs/",
        # An expression that RE2 refuses is an error of evaluation, which is a refusal too.
        f"self.matches(r'^(?:{_PLAIN})$') && ''.matches(self) in [true, false]",
        _is_path_regex,
    ),
]
