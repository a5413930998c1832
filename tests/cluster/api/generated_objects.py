"""Objects to hold the API server against the models with: each is a sample with a value changed,
near what its schema allows or far from it. The same seed gives the same objects."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

Object = dict[str, Any]
Place = tuple[str | int, ...]

_SAMPLES: Final = Path(__file__).parents[3] / "crds" / "samples"
SAMPLES: Final[Sequence[Object]] = [
    document
    for path in sorted(_SAMPLES.glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text("utf-8"))
]
_GONE: Final = object()
_OTHERS: Final[Sequence[Any]] = [
    None,
    "",
    "x",
    0,
    7,
    7.0,
    7.5,
    True,
    [],
    ["x"],
    {},
    {"x": "y"},
]
# Ends of ranges, what folds to ASCII, what UTF-8 and UTF-16 count differently, what YAML minds.
_CHARACTERS: Final = [
    *"aZ09-_./:@*!?#&=%+~^$|()[]{}<>,;'\"\\` ",
    *("\t", "\n", "\r", "\x00", "\x1f", "\x7f", "\x85", "\xa0", "ü", "e\u0301", "ß", "İ", "ı"),
    *("ſ", "\u212a", "\u2028", "\ufeff", "\uffff", "日", "😀", "\U0010ffff", "refs/", "..", "//"),
]
_QUANTITIES: Final = [
    *("0", "1", "7", ".", "+", "-", "e", "E", "m", "u", "n", "k", "K", "M", "Gi", "Ki", "i", " "),
    *("e3", "E-3", "e+3", "x", "_", "123456789012345678", "999999999999999999999999"),
]
_REGEX: Final = [
    *("a", "Z", "7", "/", "-", ".", "*", "+", "?", "|", "(", ")", "[", "]", "^", "$", "{", "}"),
    *("(?:", "(?i)", "(?P<n>", "(?=", "[^", "a-z", "z-a", "[:alpha:]", "{2}", "{2,}", "{,2}"),
    *("{2,1}", "{999}", "{1001}", "\\d", "\\w", "\\b", "\\A", "\\z", "\\Z", "\\pL", "\\1", "\\."),
    *("\\/", "\\_", "\\-", "\\x41", "\\Q", "\\E", "\\C", "\\u0041", "\\0", "\\", "&&", "--", "ü"),
    *(" ", "*?", "++", "??", "{2}{3}", ",", ":", "=", "!", "<", "#", "\\n", "\\a", "\\ "),
]


class Generated(NamedTuple):
    """An object, and what was changed in it, for messages."""

    changed: str
    object: Object


def objects(schemas: dict[str, Object], seed: int, pairs: int) -> Iterator[Generated]:
    """Every sample, then each with one value changed, then `pairs` with two. `schemas` are the
    OpenAPI schemas by kind."""
    chance = random.Random(seed)
    singles = []
    for sample in SAMPLES:
        yield Generated("nothing", sample)
        schema = schemas[sample["kind"]]["properties"]["spec"]
        changes = list(_changes(schema, sample["spec"], ("spec",), chance))
        singles += [(sample, change) for change in changes]
        for change in changes:
            yield _changed(sample, [change])
    for _ in range(pairs):
        sample, change = chance.choice(singles)
        others = [other for whose, other in singles if whose is sample]
        yield _changed(sample, [change, chance.choice(others)])


def _changed(sample: Object, changes: Sequence[tuple[Place, Any]]) -> Generated:
    result = copy.deepcopy(sample)
    told = []
    for place, value in changes:
        inner: Any = result
        try:
            for part in place[:-1]:
                inner = inner[part]
            if value is _GONE:
                del inner[place[-1]]
            else:
                inner[place[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the place of the second away
        told.append(f"{place} = {'left out' if value is _GONE else ascii(value)[:200]}")
    return Generated("; ".join(told), result)


def _changes(
    schema: Object, value: Any, place: Place, chance: random.Random
) -> Iterator[tuple[Place, Any]]:
    if len(place) > 1:
        yield place, _GONE
        for other in (*_OTHERS, *_values(schema, value, chance)):
            yield place, other
    if isinstance(value, dict):
        yield (*place, "unknownField"), 1
        fields = schema.get("properties") or {}
        for name, inner in value.items():
            below = fields.get(name) or schema.get("additionalProperties") or {}
            yield from _changes(below, inner, (*place, name), chance)
    if isinstance(value, list) and value:
        # One item shows what its schema says.
        yield from _changes(schema.get("items") or {}, value[0], (*place, 0), chance)


def _values(schema: Object, value: Any, chance: random.Random) -> Iterator[Any]:
    """Values of about the right type."""
    rules = " ".join(r["message"] for r in schema.get("x-kubernetes-validations", []))
    if "regular expression" in rules:
        yield from _joined(_REGEX, chance, 40)
    if schema.get("x-kubernetes-int-or-string"):
        yield from _joined(_QUANTITIES, chance, 30)
        yield from (2**31, 2**63 - 1, 2**63, 10**32, -1, 1e3, "9" * 32, "9" * 33)
    elif "enum" in schema:
        yield from schema["enum"]
        yield from (schema["enum"][0].swapcase(), f"{schema['enum'][0]} ")
    elif schema.get("type") == "string":
        yield from _strings(schema, value, chance)
    elif schema.get("type") == "integer":
        low, high = schema.get("minimum", 0), schema.get("maximum", 2**31)
        yield from (
            low - 1,
            low,
            high,
            high + 1,
            float(low),
            high + 0.5,
            str(low),
            -(2**63) - 1,
            1e30,
        )
    elif schema.get("type") == "array":
        yield from _lists(schema, value)
    elif schema.get("type") == "object" and "properties" not in schema:
        yield from _maps(schema, value, chance)


def _strings(schema: Object, value: str, chance: random.Random) -> Iterator[str]:
    low, high = schema.get("minLength", 0), schema["maxLength"]
    for character in ("a", "ü", "😀"):
        for length in {low - 1, low, high // 4, high // 2, high, high + 1}:
            yield character * length
    yield from (value[:1] * high, value[:1] * (high + 1))
    for _ in range(12):
        at = chance.randrange(len(value) + 1)
        yield value[:at] + chance.choice(_CHARACTERS) + value[at + chance.randrange(2) :]
    yield from _joined(_CHARACTERS, chance, 6)
    yield from (value + "\n", "\n" + value, value.upper(), value.lower(), f" {value}")


def _lists(schema: Object, value: list[Any]) -> Iterator[list[Any]]:
    yield from (value * 2, [None], [*value, None])
    if value and isinstance(value[0], str):
        for count in (schema["maxItems"], schema["maxItems"] + 1):
            yield [f"{value[0][:100]}{n}" for n in range(count)]


def _maps(schema: Object, value: Object, chance: random.Random) -> Iterator[Object]:
    one = next(iter(value.values()), "x")
    for key in (
        "",
        " ",
        "a b",
        "A/B",
        "x" * 63,
        "x" * 64,
        "a.b/c",
        "cpu",
        "nvidia.com/gpu",
        "a/b/c",
    ):
        yield {key: one}
    for key in _joined(_CHARACTERS, chance, 8):
        yield {key: one}
    for count in (schema["maxProperties"], schema["maxProperties"] + 1):
        yield {f"example.com/{n}": one for n in range(count)}
    full = {f"example.com/{n}": one for n in range(schema["maxProperties"])}
    yield from (full | {"example.com/null": None}, {**value, "cpu": None}, {"x": {"y": None}})
    yield from ({"x": [1, "a"]}, {"x": [None]}, {"x": 1.5}, {"x": 7.0})


def _joined(pieces: Sequence[str], chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield "".join(chance.choices(pieces, k=chance.randrange(1, 7)))
