"""Reads request bodies as strictly, and as loosely, as TEI does."""

from __future__ import annotations

import json
from typing import Any

from fakes.tei.answers import malformed, wrong_type


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body. What follows the first value is ignored, as TEI does."""
    source = raw.decode("utf-8", "replace")
    try:
        value, end = json.JSONDecoder().raw_decode(source.lstrip())
    except json.JSONDecodeError:
        # The one form that was recorded: a list that never ends.
        raise malformed("EOF while parsing a list", 1, len(source), "inputs") from None
    if not isinstance(value, dict):
        raise wrong_type("invalid type: expected struct", end)
    return value


def inputs_of(body: dict[str, Any], raw: bytes, key: str = "inputs") -> list[Any]:
    """The inputs as a list: each a text, or a list of token ids."""
    if key not in body:
        raise wrong_type(f"missing field `{key}`", len(raw))
    value = body[key]
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(_is_input(item) for item in value):
        return value
    raise wrong_type(
        f"{key}: data did not match any variant of untagged enum Input", len(raw.rstrip(b"}"))
    )


def texts_of(body: dict[str, Any], raw: bytes) -> list[str]:
    """The inputs of `/tokenize`, which takes no token ids."""
    inputs = inputs_of(body, raw)
    if not all(isinstance(item, str) for item in inputs):
        raise wrong_type(
            "inputs: data did not match any variant of untagged enum TokenizeInput", len(raw) - 1
        )
    return inputs


def ids_of(body: dict[str, Any], raw: bytes) -> list[list[int]]:
    """The token ids of `/decode`: of one text, or of several."""
    ids = body.get("ids")
    if isinstance(ids, list) and ids:
        rows = [ids] if _is_input(ids) else ids
        if all(isinstance(row, list) and _is_input(row) for row in rows):
            return rows
    raise wrong_type("ids: data did not match any variant of untagged enum InputIds", len(raw) - 1)


def dimensions(body: dict[str, Any], raw: bytes) -> int | None:
    """`dimensions`, a whole number or null."""
    value = body.get("dimensions")
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise wrong_type("dimensions: invalid type, expected usize", len(raw) - 1)


def boolean(body: dict[str, Any], raw: bytes, key: str, default: bool) -> bool:
    """An optional boolean, for which null is an error."""
    value = body.get(key, default)
    if isinstance(value, bool):
        return value
    kind = "null" if value is None else type(value).__name__
    raise wrong_type(f"{key}: invalid type: {kind}, expected a boolean", len(raw) - 1)


def optional_boolean(body: dict[str, Any], raw: bytes, key: str) -> bool | None:
    """An optional boolean, for which null is none."""
    return None if body.get(key) is None else boolean(body, raw, key, False)


def direction(body: dict[str, Any], raw: bytes) -> str:
    """`truncation_direction`, for which null is an error of another kind."""
    value = body.get("truncation_direction", "Right")
    if value in ("Left", "Right", "left", "right"):
        return str(value).lower()
    raise malformed("expected value", 1, raw.find(b"null") + 1, "truncation_direction")


def _is_input(item: Any) -> bool:
    if isinstance(item, str):
        return True
    return isinstance(item, list) and all(isinstance(i, int) for i in item)
