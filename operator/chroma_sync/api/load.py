"""Reads Sources and Invocations from YAML, as strictly as the API server does, and the Secrets that
they name."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

import yaml
from pydantic import ValidationError

from chroma_sync.api import secret
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.meta import API_VERSION
from chroma_sync.api.problems import sentences
from chroma_sync.api.secret import Secret
from chroma_sync.api.source import Source

TEXT_BYTES_MAX: Final = 1_048_576
# Aliases let a small text stand for a huge document.
VALUES_MAX: Final = 100_000

Loaded = Source | Invocation | Secret

_KINDS: Final[Mapping[str, tuple[str, type[Source] | type[Invocation] | type[Secret]]]] = {
    "Source": (API_VERSION, Source),
    "Invocation": (API_VERSION, Invocation),
    "Secret": (secret.API_VERSION, Secret),
}


class InvalidObject(Exception):
    """A text that holds something else than good objects. `problems` has one sentence each, as
    `Kind/name: field.path: what is wrong. What to do.`"""

    def __init__(self, origin: str, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(f"{origin}: {problem}" for problem in self.problems))


class _Loader(yaml.SafeLoader):
    """As kubectl does, refuses a key that stands twice, leaves dates as strings, and takes 1234e10
    and 0899 for numbers."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value[:60]!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# An abbreviated SHA without quotes may look like one: the API server would refuse it.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def load_objects(text: str, origin: str) -> list[Loaded]:
    """Read all objects of a YAML text, one or many documents; `origin` names it in messages.

    Raises `InvalidObject` with all the problems of all objects."""
    problems: list[str] = []
    objects: list[Loaded] = []
    seen: set[tuple[str, str, str]] = set()
    for number, document in enumerate(_documents(text, origin), start=1):
        if document is None:
            continue
        found = _read(document, f"document {number}")
        if isinstance(found, list):
            problems += found
            continue
        key = (found.kind, found.metadata.namespace, found.metadata.name)
        if key in seen:
            problems.append(
                f"{found.kind}/{found.metadata.name}: metadata.name: stands twice here. "
                "Rename or remove one of the two."
            )
        seen.add(key)
        objects.append(found)
    if problems:
        raise InvalidObject(origin, problems)
    return objects


def _documents(text: str, origin: str) -> list[Any]:
    size = len(text.encode(errors="surrogatepass"))
    if size > TEXT_BYTES_MAX:
        message = f"has {size} bytes, more than {TEXT_BYTES_MAX}. Split it into several files."
        raise InvalidObject(origin, [message])
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
        _bound(documents)
    except yaml.MarkedYAMLError as error:
        # Not str(error): it would show a piece of the text.
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        message = f"{where}not good YAML: {error.problem or error.context}. Correct it there."
        raise InvalidObject(origin, [message]) from None
    except yaml.YAMLError:
        message = "not YAML: it holds characters that YAML does not allow. Save it as UTF-8 text."
        raise InvalidObject(origin, [message]) from None
    except (RecursionError, OverflowError, ValueError) as error:
        message = f"not usable YAML ({type(error).__name__}): it is nested too deeply, or has too "
        message += "many values or too long a number. Make it simpler."
        raise InvalidObject(origin, [message]) from None
    return documents


def _bound(documents: list[Any]) -> None:
    """Raise ValueError when the documents, written out, hold too many values."""
    waiting: list[Any] = [documents]
    count = 0
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            count += len(value)
            if count > VALUES_MAX:
                raise ValueError("too many values")
            waiting.extend(inner)


def _read(document: Any, place: str) -> Loaded | list[str]:
    """One object, or what is wrong with it."""
    if not isinstance(document, dict):
        return [f"{place}: must be an object with apiVersion, kind, metadata and spec."]
    kind = document.get("kind")
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        is_ = f"is {kind[:60]!r}, but " if isinstance(kind, str) else ""
        advice = "Correct it, or take the object out of the file."
        return [f"{place}: kind: {is_}must be one of {', '.join(_KINDS)}. {advice}"]
    version, model = known
    subject = f"{kind}/{_name(document) or place}"
    if document.get("apiVersion") != version:
        return [f"{subject}: apiVersion: must be {version}. Write it so."]
    try:
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return [f"{subject}: {sentence}" for sentence in sentences(model, details)]


def _name(document: dict[Any, Any]) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name[:253] if isinstance(name, str) else ""
