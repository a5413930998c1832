"""What someone may have meant who wrote a field that a kind does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel

from chroma_sync.api.invocation import InvocationSpec
from chroma_sync.api.source import SourceSpec

_SPECS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("a Source", SourceSpec),
    ("an Invocation", InvocationSpec),
)
_SHOWN_MAX: Final = 2  # a name that stands at more places, such as `name`, points nowhere


def meant(kind: type[BaseModel], parents: Iterable[str | int], name: str) -> str:
    """What a field of this name under `parents` of a kind may be called, or where it belongs; empty
    when nothing is near."""
    close = difflib.get_close_matches(name, names_at(kind, parents), n=_SHOWN_MAX)
    if close:
        return " or ".join(close)
    elsewhere = [
        f"{path} of {whose}"
        for whose, spec in _SPECS
        for path in _paths(spec, "spec")
        if path.endswith(f".{name}")
    ]
    return " or ".join(elsewhere) if len(elsewhere) <= _SHOWN_MAX else ""


def names_at(kind: type[BaseModel], parents: Iterable[str | int]) -> list[str]:
    """The names of the fields that may stand under `parents` of a kind."""
    model: type[BaseModel] | None = kind
    for parent in parents:
        if isinstance(parent, str):  # not the place of an item in a list
            model = _fields(model).get(parent)
    return list(_fields(model))


def _paths(model: type[BaseModel] | None, path: str) -> Iterator[str]:
    for name, inner in _fields(model).items():
        yield f"{path}.{name}"
        yield from _paths(inner, f"{path}.{name}")


def _fields(model: type[BaseModel] | None) -> dict[str, type[BaseModel] | None]:
    """The fields of a model by their names in YAML, each with the model of its value, if any."""
    fields = model.model_fields if model is not None else {}
    return {field.alias or name: _model_in(field.annotation) for name, field in fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside a type such as `list[Toleration] | None`."""
    arguments = get_args(annotation)
    if arguments:
        return next(filter(None, map(_model_in, arguments)), None)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None
