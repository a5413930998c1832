"""Of which kind a Source is, and what it and its runs hold of each kind."""

from __future__ import annotations

from typing import Any

from chroma_sync.api.kinds.kind import Kind
from chroma_sync.api.kinds.union import KINDS, RunMembers, SourceMembers
from chroma_sync.api.meta import ApiModel


def origin_of(spec: SourceMembers) -> Kind:
    """Where the documents of a Source come from. Raises `ValueError` when none of the kinds is
    set."""
    for kind in KINDS:
        origin: Kind | None = getattr(spec, kind.member)
        if origin is not None:
            return origin
    raise ValueError(f"none of {names('and')} is set")


def run_of(spec: RunMembers, kind: type[Kind]) -> Any:
    """What a run over a Source of this kind reads; None when it does not say."""
    return getattr(spec, kind.member, None)


def members(union: type[ApiModel], spec: ApiModel) -> dict[str, Any]:
    """What a spec holds of the fields of `SourceMembers` or `RunMembers`."""
    return {name: getattr(spec, name) for name in union.model_fields}


def names(word: str, kinds: tuple[type[Kind], ...] = KINDS) -> str:
    """The names of kinds for people, the last one behind `and` or `or`."""
    *first, last = [kind.member for kind in kinds]
    return f"{', '.join(first)} {word} {last}" if first else last
