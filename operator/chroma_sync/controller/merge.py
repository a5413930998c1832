"""JSON merge patches (RFC 7386)."""

from __future__ import annotations

from chroma_sync.api.meta import Object


def merge_patch(old: Object, new: Object) -> Object:
    """The patch that makes `new` of `old`; empty when they are equal. Lists are replaced whole."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif before != value:
            patch[key] = value
    return patch
