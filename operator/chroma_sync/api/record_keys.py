"""The metadata keys of a record, as a budget: a hosted Chroma takes so many, and users have a part
of them. What the worker writes stays within the rest (tests/unit/pipeline/test_records.py)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

Scalar = str | int | float | bool
# Of what a record's metadata may hold; a list is of one type, and not empty.
Value = Scalar | list[str] | list[int] | list[float] | list[bool]

RECORD_KEYS_MAX: Final = 32  # the hosted product's quota
USER_KEYS_MAX: Final = 12
OWN_KEYS_MAX: Final = RECORD_KEYS_MAX - USER_KEYS_MAX
VALUE_BYTES_MAX: Final = 8_182  # the same
_KEY_BYTES_MAX: Final = 36
_INTEGER_MAX: Final = 2**63  # a Chroma server takes integers of 64 bits
_RESERVED: Final = ("chroma_", "chroma:")

# What we write, or will once it is served, and earlier releases wrote: users have other keys.
RECORD_KEYS: Final = frozenset(
    {
        *("document_key", "document_key_sha256", "version_key", "version_key_sha256"),
        *("chunk_strategy", "language", "start_line", "start_col", "end_line", "end_col"),
        *("content_sha256", "source", "document_state", "embedding_config", "embedding_windows"),
        *("syntax_gave_up_at_bytes", "custom_id", "sparse_embedding"),
        *("cell_number", "page", "slide", "sheet", "section"),
        *("chunk_count", "document_config"),
    }
)


def metadata_problem(field: str, metadata: Mapping[str, Any]) -> str | None:
    """Why a user's metadata can't stand on records, and what to do; None when it can. `field` is
    where it was given. A value may be null: then there is no such key on the records."""
    problems = (_problem(f"{field}[{k[:_KEY_BYTES_MAX]}]", k, v) for k, v in metadata.items())
    return next(filter(None, problems), None)


def _problem(where: str, key: str, value: Any) -> str | None:
    if not _is_text(json.dumps([key, value], ensure_ascii=False)):
        return f"{where}: holds half a character, as of a text that was cut. Change or remove it."
    if not 0 < len(key.encode()) <= _KEY_BYTES_MAX or key.startswith(_RESERVED):
        return (
            f"{where}: a key must have 1 to {_KEY_BYTES_MAX} bytes and must not begin with "
            f"{' or '.join(_RESERVED)}. Choose another one."
        )
    if key in RECORD_KEYS:
        return (
            f"{where}: is a key that records have already, for what chroma-sync writes. Choose "
            "another one."
        )
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    types = {type(item) for item in values}
    if len(types) != 1 or not types <= {str, int, float, bool}:
        return (
            f"{where}: must be a string, number or boolean, or a list of values of one of "
            "these types. Change or remove it."
        )
    if not all(map(_is_stored, values)):
        return (
            f"{where}: a number must be finite, and a whole one must fit into 64 bits. Change it, "
            "or write it as a string."
        )
    if len(json.dumps(value, ensure_ascii=False).encode()) > VALUE_BYTES_MAX:
        return f"{where}: a value must have at most {VALUE_BYTES_MAX} bytes as JSON. Shorten it."
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a surrogate, which JSON and YAML can write
        return False
    return True


def _is_stored(value: Scalar) -> bool:
    """Whether Chroma stores it as it is: it drops what is not finite, and says nothing."""
    if isinstance(value, int):
        return -_INTEGER_MAX <= value < _INTEGER_MAX
    return not isinstance(value, float) or math.isfinite(value)
