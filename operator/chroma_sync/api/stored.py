"""Reads Sources and Invocations as the API server holds them. Another release may have written
them, and the CRDs may be of another release too.

People's YAML is read strictly (`load`). Of what is stored, fields that this release does not know
are left out and left alone: at its default such a field means what it meant before it was there.
What then can't be understood makes an object that says so (`not_understood`), never an error that
would keep the object from having a status.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chroma_sync.api.invocation import (
    Invocation,
    InvocationSpec,
    InvocationStatus,
    SourceReference,
)
from chroma_sync.api.meta import Object, ObjectMeta
from chroma_sync.api.problems import path, sentences
from chroma_sync.api.source import Source, SourceSpec, SourceStatus

Model = type[Source] | type[Invocation]

# Without these a run might begin twice, or one that goes be taken for one that does not.
_NEEDED: Final = frozenset(
    {"conditions", "configuration", "startTime", "completionTime", "activeInvocation"}
)


class UnreadableStatusError(Exception):
    """A status says something that must be known, and that this release can't read."""


def source(raw: Object, schema: Object | None = None) -> Source:
    """Read a stored Source. `schema` is its CRD's, needed where `has_unknown`. Raises
    `UnreadableStatusError`."""
    problem, document = _problem(Source, raw, schema), _without_status(raw)
    status = SourceStatus.model_validate(known_status(SourceStatus, raw.get("status") or {}))
    try:
        read = Source.model_validate(document, extra="ignore")
    except ValidationError:
        read = Source.model_construct(
            api_version=raw["apiVersion"],
            kind=raw["kind"],
            metadata=ObjectMeta.model_validate(raw["metadata"]),
            spec=SourceSpec.model_construct(),
        )
    return read.model_copy(update={"status": status}).understood_but(problem)


def invocation(raw: Object, schema: Object | None = None) -> Invocation:
    """Read a stored Invocation, as `source` does. Of a spec that can't be read, the Source's name
    and the wish to be cancelled are."""
    problem, document = _problem(Invocation, raw, schema), _without_status(raw)
    status = known_status(InvocationStatus, raw.get("status") or {})
    try:
        read = Invocation.model_validate(document, extra="ignore")
    except ValidationError:
        spec = raw["spec"]
        name = (spec.get("sourceRef") or {}).get("name", "")
        read = Invocation.model_construct(
            api_version=raw["apiVersion"],
            kind=raw["kind"],
            metadata=ObjectMeta.model_validate(raw["metadata"]),
            spec=InvocationSpec.model_construct(
                source_ref=SourceReference.model_construct(name=name),
                cancel=spec.get("cancel") is True,
            ),
        )
    update = {"status": InvocationStatus.model_validate(status)}
    return read.model_copy(update=update).understood_but(problem)


def has_unknown(kind: Model, raw: Object) -> bool:
    """Whether the spec has a field that this release does not know."""
    return any(detail["type"] == "extra_forbidden" for detail in _errors(kind, raw))


def is_readable(kind: Model, raw: Object) -> bool:
    """Whether the spec, without the fields that this release does not know, can be read."""
    return not _errors(kind, raw, ignore_unknown=True)


def known_status(model: type[SourceStatus] | type[InvocationStatus], status: Object) -> Object:
    """What this release can read of a stored status: a patch that is made against it leaves the
    rest alone. Raises `UnreadableStatusError`."""
    try:
        model.model_validate(status)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    else:
        return status
    unknown = [list(d["loc"]) for d in details if d["type"] == "extra_forbidden"]
    wrong = {str(d["loc"][0]) for d in details if d["type"] != "extra_forbidden" and d["loc"]}
    needed = sorted(wrong & _NEEDED)
    if needed:
        raise UnreadableStatusError(
            f"status.{', status.'.join(needed)}: written by another release, and this one can't "
            "read it. Nothing is done with the object until the operator is upgraded."
        )
    left = {name: value for name, value in status.items() if name not in wrong}
    known: Object = _without(left, [place for place in unknown if place[0] not in wrong])
    return known


def _problem(kind: Model, raw: Object, schema: Object | None) -> str:
    errors = _errors(kind, raw)
    if not errors:
        return ""
    unknown_fields = [
        f"{path(detail['loc'])}: this release of the operator does not know the field. Leave it "
        "out, or upgrade the operator."
        for detail in errors
        if detail["type"] == "extra_forbidden"
        and not _is_default(schema or {}, detail["loc"], detail["input"])
    ]
    return " ".join([*unknown_fields, *sentences(kind, _errors(kind, raw, ignore_unknown=True))])


def _errors(kind: Model, raw: Object, *, ignore_unknown: bool = False) -> list[ErrorDetails]:
    """What is wrong with an object beside its status."""
    try:
        kind.model_validate(_without_status(raw), extra="ignore" if ignore_unknown else None)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _without_status(raw: Object) -> Object:
    return {key: value for key, value in raw.items() if key != "status"}


def _without(value: Any, locations: list[list[int | str]]) -> Any:
    """A JSON value without what stands at some places in it."""
    if not locations:
        return value
    inner: dict[int | str, list[list[int | str]]] = {}
    for first, *rest in locations:
        inner.setdefault(first, []).append(rest)
    if isinstance(value, list):
        return [_without(item, inner.get(n, [])) for n, item in enumerate(value)]
    return {
        key: _without(item, inner.get(key, []))
        for key, item in value.items()
        if [] not in inner.get(key, [])
    }


def _is_default(schema: Object, location: tuple[int | str, ...], value: Any) -> bool:
    """Whether a field has the value that its CRD gives it when it is left out."""
    for part in location:
        names = schema.get("properties") or {}
        below = schema.get("items") if isinstance(part, int) else names.get(part)
        schema = below or schema.get("additionalProperties") or {}
    return "default" in schema and bool(value == _filled(schema, schema["default"]))


def _filled(schema: Object, value: Any) -> Any:
    """A value with the defaults of all that it leaves out."""
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties") or {}
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    return {
        name: _filled(fields.get(name) or {}, inner)
        for name, inner in {**defaults, **value}.items()
    }
