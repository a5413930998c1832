"""A kind of source is one folder: nothing else names one."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import chroma_sync
from chroma_sync.api.invocation import InvocationSpec
from chroma_sync.api.kinds.union import KINDS, RunMembers, SourceMembers
from chroma_sync.api.source import SourceSpec

CODE = Path(chroma_sync.__file__).parent
# The models of all kinds with the union of them, and each kind's connector.
PACKAGE = f"{chroma_sync.__name__}."
CONNECTORS = [kind.connector.removeprefix(PACKAGE).replace(".", "/") for kind in KINDS]
THEIRS = ("api/kinds/", *(f"{connector}/" for connector in CONNECTORS))
MEMBERS = {kind.member for kind in KINDS}
NAMED = re.compile(rf"spec\.({'|'.join(MEMBERS)})\b")


def named(code: str) -> set[str]:
    """The kinds that some code names: as an attribute, an argument, or in a text."""
    found = set()
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        text = token.string
        if token.type == tokenize.NAME and text in MEMBERS and before == ".":
            found.add(text)
        elif token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
            found |= {text.strip("\"'")} & MEMBERS | set(NAMED.findall(text))
        before = text
    return found


def test_no_other_module_names_a_kind() -> None:
    found = {}
    for file in sorted(CODE.rglob("*.py")):
        place = file.relative_to(CODE).as_posix()
        kinds = named(file.read_text(encoding="utf-8"))
        if kinds and not place.startswith(THEIRS):
            found[place] = kinds
    assert not found


def test_what_names_one_is_found() -> None:
    assert named("spec.github.base_url") == {"github"}
    assert named('getattr(spec, "s3")') == {"s3"}
    assert named('"Check spec.web.startingUrl."') == {"web"}
    assert not named("# github\nfrom aiohttp import web\nweb = 1\n")


def test_the_union_is_what_the_two_objects_have() -> None:
    assert set(SourceMembers.model_fields) == MEMBERS
    assert set(RunMembers.model_fields) <= MEMBERS
    for kind in KINDS:
        assert kind.address_field in {field.alias for field in kind.model_fields.values()}
    assert issubclass(SourceSpec, SourceMembers)
    assert issubclass(InvocationSpec, RunMembers)
