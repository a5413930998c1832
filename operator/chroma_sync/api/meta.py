"""What both kinds share: names, the strict base model, rules, and object metadata."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# An object of the API server, or a part of one, as JSON.
Object = dict[str, Any]

GROUP: Final = "chromasync.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "chroma-sync"
# Asks for a new check of a Source; status echoes the last value handled.
REQUESTED_AT: Final = f"{GROUP}/requested-at"

# The extension of OpenAPI that holds CEL rules.
VALIDATIONS: Final = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """A rule that crosses fields of one model. The API server evaluates `cel`, the laptop `check`.

    `field` is the (camelCase) field of the model that the error points at, empty for the model
    itself. `check` is None for a rule on updates: a laptop never sees the old object.
    """

    field: str
    message: str
    cel: str
    check: Callable[[Any], bool] | None = None


def never_changes(field: str, message: str, *, required: bool = False) -> Rule:
    """The rule that a field keeps its value for the life of its object."""
    same = f"self.{field} == oldSelf.{field}"
    if not required:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return Rule(field, message, same)


@dataclass(frozen=True)
class ValueRule:
    """A rule for one value, to be put into `Annotated`."""

    message: str
    cel: str
    check: Callable[[Any], bool]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        result = handler(schema)
        rule = {"rule": self.cel, "message": self.message}
        result.setdefault(VALIDATIONS, []).append(rule)
        return result

    def _checked(self, value: Any) -> Any:
        if not self.check(value):
            raise rule_error("", self.message)
        return value


def shape(pattern: str, message: str) -> ValueRule:
    """The rule that a whole string matches a pattern, which must mean the same to RE2 and Python.

    Not the schema's `pattern`: the API server's message would show the expression alone.
    """
    whole = re.compile(pattern)
    return ValueRule(
        message, f"self.matches(r'^(?:{pattern})$')", lambda text: bool(whole.fullmatch(text))
    )


def shape_not(pattern: str, message: str) -> ValueRule:
    """The rule that a pattern is found nowhere in a string. It must mean the same to RE2 and
    Python."""
    found = re.compile(pattern)
    return ValueRule(
        message, f"!self.matches(r'{pattern}')", lambda text: found.search(text) is None
    )


def at_most_bytes(limit: int) -> ValueRule:
    """The rule that a string has at most so many bytes in UTF-8."""
    return ValueRule(
        f"must have at most {limit} bytes",
        f"size(bytes(self)) <= {limit}",
        lambda text: len(text.encode()) <= limit,
    )


@dataclass(frozen=True)
class Unique:
    """A list without two equal items or, with `key`, without two items equal in that field."""

    key: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        result = handler(schema)
        if self.key:
            result["x-kubernetes-list-map-keys"] = [self.key]
        result["x-kubernetes-list-type"] = "map" if self.key else "set"
        return result

    def _checked(self, value: list[Any]) -> list[Any]:
        keys = [getattr(item, self.key) if self.key else item for item in value]
        if len(set(keys)) < len(keys):
            what = f"two items with the same {self.key}" if self.key else "an item twice"
            raise rule_error("", f"must not hold {what}")
        return value


def rule_error(field: str, message: str) -> PydanticCustomError:
    """The error of a rule: `field` (in camelCase; empty for the model itself) must be otherwise."""
    return PydanticCustomError("rule", "{message}", {"field": field, "message": message})


class ApiModel(BaseModel):
    """A strict model whose fields are camelCase in YAML and JSON."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_the_server_reads(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        whole = _whole_numbers(cls)
        return {
            key: int(value) if key in whole and _is_whole(value) else _without_nulls(value)
            for key, value in data.items()
            if value is not None
        }

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        for rule in self.rules:
            if rule.check is not None and not rule.check(self):
                raise rule_error(rule.field, rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        result = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            result[VALIDATIONS] = [_validation(rule) for rule in cls.rules]
        return result


class ApiObject(ApiModel):
    """One of our kinds. `not_understood` says what of a stored object this release can't make use
    of, and is empty when it can use all of it. While it is not empty nothing may be decided from
    `spec`: see `stored`."""

    _not_understood: str = PrivateAttr(default="")

    @property
    def not_understood(self) -> str:
        return self._not_understood

    def understood_but(self, problem: str) -> Self:
        """The same object, of which something is not understood."""
        copy = self.model_copy()
        copy._not_understood = problem
        return copy


def _without_nulls(value: Any) -> Any:
    """A null in a map stands for a key that is left out, as a null for a field does."""
    if not isinstance(value, dict):
        return value
    return {key: inner for key, inner in value.items() if inner is not None}


def _is_whole(value: Any) -> bool:
    """7.0 is a whole number, as JSON schema has it."""
    return isinstance(value, float) and value.is_integer()


@cache
def _whole_numbers(model: type[BaseModel]) -> frozenset[str]:
    """The fields, by their names in YAML, that hold a whole number."""
    fields = model.model_fields.items()
    return frozenset(f.alias or name for name, f in fields if _types_of(f.annotation) == {int})


def _types_of(annotation: Any) -> set[Any]:
    """The types that a field's annotation allows beside None."""
    inner = get_args(annotation)
    if not inner:
        return {annotation} - {type(None)}
    if get_origin(annotation) is Annotated:
        return _types_of(inner[0])
    return set().union(*map(_types_of, inner)) if _is_union(annotation) else {annotation}


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _validation(rule: Rule) -> dict[str, str]:
    where = {"fieldPath": f".{rule.field}"} if rule.field else {}
    return {"rule": rule.cel, "message": rule.message, **where}


def section(model: Callable[[], Any], description: str) -> Any:
    """A field that holds a model all of whose fields have defaults; left out, it is all of them."""
    return Field(default_factory=model, description=description, json_schema_extra={"default": {}})


_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_SUBDOMAIN_MESSAGE = (
    "must be a name of Kubernetes: lower case letters, digits, '-' and '.', beginning and ending "
    "with a letter or digit"
)

_NAME: Final = re.compile(_SUBDOMAIN)

# The name of an object.
ObjectName = Annotated[
    str, Field(min_length=1, max_length=253), shape(_SUBDOMAIN, _SUBDOMAIN_MESSAGE)
]


def is_object_name(value: object) -> bool:
    """Whether the API server would take this as an object's name, and so in the path of a request.
    Source: Kubernetes, DNS subdomain names (RFC 1123)."""
    return isinstance(value, str) and len(value) <= 253 and bool(_NAME.fullmatch(value))


# A place on the network. No user, so that no password gets into an object.
HttpUrl = Annotated[
    str,
    Field(min_length=8, max_length=1024),
    shape(
        r"https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
        r"(/[A-Za-z0-9._~!$&()*+,;=:@%/-]*)?",
        "must be an http:// or https:// address without user, query and fragment, such as "
        "https://host.example/path",
    ),
]


CollectionName = Annotated[
    str,
    Field(min_length=3, max_length=128),
    shape(
        r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]",
        "must hold letters, digits, '.', '_' and '-' only, beginning and ending with a letter or "
        "digit",
    ),
]


class ObjectMeta(BaseModel):
    """The part of an object's metadata that we look at. Anything else is left alone."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    name: ObjectName
    namespace: Annotated[
        str,
        Field(min_length=1, max_length=63),
        shape("[a-z0-9]([-a-z0-9]*[a-z0-9])?", _SUBDOMAIN_MESSAGE.replace(" and '.'", "")),
    ] = "default"
    uid: str | None = None
    generation: int = 0
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class SecretReference(ApiModel):
    """A Secret in the namespace of the object that names it."""

    name: ObjectName = Field(description="Name of a Secret in the same namespace.")


def secret_name(reference: SecretReference | None) -> str | None:
    """The name in a reference that may be left out."""
    return reference.name if reference is not None else None
