"""What is wrong with an object, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from chroma_sync.api.field_names import meant, names_at


def sentences(kind: type[BaseModel], details: Iterable[ErrorDetails]) -> list[str]:
    """A sentence for each error of validating a kind: `field.path: what is wrong. What to do.`"""
    # A default that depends on a bad field is no problem of its own.
    own = [detail for detail in details if detail["type"] != "default_factory_not_called"]
    return [_sentence(kind, detail) for detail in own]


def _sentence(kind: type[BaseModel], detail: ErrorDetails) -> str:
    context = detail.get("ctx") or {}
    location = list(detail["loc"])
    if detail["type"] == "rule":
        location += [context["field"]] if context["field"] else []
        return f"{path(location)}: {context['message']}."
    if detail["type"] == "extra_forbidden":
        return f"{path(location)}: no such field. {_unknown(kind, location)}"
    template = _MESSAGES.get(detail["type"])
    message = template.format(**context) if template else f"{detail['msg']}. Correct it."
    return f"{path(location)}: {message}"


def _unknown(kind: type[BaseModel], location: list[int | str]) -> str:
    *parents, last = location
    name = str(last)[:60]
    camel = to_camel(name)
    if camel != name and camel in names_at(kind, parents):
        return f"Field names are in camelCase: write {camel}, or leave it out."
    near = meant(kind, parents, camel)
    if near:
        return f"Did you mean {near}?"
    return "Check how it is written and where it stands, or leave it out."


_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is missing. Set it.",
    "string_type": "must be a string. Put it in quotes.",
    "int_type": "must be a whole number, without quotes.",
    "bool_type": "must be true or false, without quotes.",
    "list_type": "must be a list.",
    "dict_type": "must be a map of keys and values.",
    "model_type": "must be a map of fields.",
    "string_too_short": "must have at least {min_length} characters.",
    "string_too_long": "must have at most {max_length} characters.",
    "too_short": "must have at least {min_length} items.",
    "too_long": "must have at most {max_length} items.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than_equal": "must be at most {le}.",
    "literal_error": "must be one of {expected}.",
}


def path(location: Iterable[int | str]) -> str:
    """The place of a field, as `spec.tolerations[0].key`."""
    text = ""
    for part in location:
        if isinstance(part, int) or "." in part or "/" in part:
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text[:300] or "the object"
