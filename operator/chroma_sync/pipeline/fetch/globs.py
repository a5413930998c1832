"""Which paths the include and exclude globs choose, in the dialect of gitignore.

`*` alone means everything. A pattern without a slash matches a name at any depth; one with a slash
is anchored at the root; `**` crosses folders; a pattern that matches a folder matches all below it.
Exclude wins over include. Source: gitignore(5), "PATTERN FORMAT".
"""

from __future__ import annotations

from collections.abc import Sequence

from wcmatch import glob

_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX


def _anchored(pattern: str) -> list[str]:
    if not pattern.endswith("\\ "):
        pattern = pattern.rstrip(" ")
    below_only = pattern.endswith("/")
    body = pattern.strip("/")
    if below_only and body.endswith("**"):
        body += "/*"  # all folders below, not the files beside them
    rooted = pattern.startswith("/") or "/" in body
    base = body if rooted else f"**/{body}"
    return [f"{base}/**"] if below_only else [base, f"{base}/**"]


class Globs:
    """A compiled choice of paths."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)

    def chosen(self, path: str) -> bool:
        """Whether a path (with `/` between its parts) is part of the source."""
        if self._exclude is not None and self._exclude.match(path):
            return False
        return self._include is None or bool(self._include.match(path))


def _compile(patterns: Sequence[str]) -> glob.WcMatcher[str] | None:
    if not patterns:
        return None
    return glob.compile([p for pattern in patterns for p in _anchored(pattern)], flags=_FLAGS)
