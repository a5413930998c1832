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
    """A compiled choice of paths. It remembers which patterns have matched any."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = [_Pattern("includeGlobs", pattern) for pattern in include]
        self._exclude = [_Pattern("excludeGlobs", pattern) for pattern in exclude]

    def chosen(self, path: str) -> bool:
        """Whether a path (with `/` between its parts) is part of the source."""
        # Both always: a pattern may match nothing but what another one leaves out.
        excluded = _any_matches(self._exclude, path)
        return (_any_matches(self._include, path) or not self._include) and not excluded

    def unmatched(self) -> list[str]:
        """What to tell of each pattern that no path has matched."""
        return [
            f"spec.github.{p.field}: {p.pattern!r} matches no file."
            for p in (*self._include, *self._exclude)
            if not p.has_matched
        ]


class _Pattern:
    def __init__(self, field: str, pattern: str) -> None:
        self.field = field
        self.pattern = pattern
        self.has_matched = False
        # Of names too that the matcher would not take for one.
        self._is_everything = pattern.rstrip(" ") == "*"
        self._matcher = glob.compile(_anchored(pattern), flags=_FLAGS)

    def matches(self, path: str) -> bool:
        matched = self._is_everything or self._matcher.match(path)
        self.has_matched = self.has_matched or matched
        return matched


def _any_matches(patterns: Sequence[_Pattern], path: str) -> bool:
    """Whether any matches. Those that have matched nothing so far are asked in any case."""
    found = False
    for pattern in patterns:
        if not (found and pattern.has_matched) and pattern.matches(path):
            found = True
    return found
