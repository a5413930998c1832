"""Include and exclude globs, in the dialect of gitignore."""

import pytest

from chroma_sync.pipeline.fetch.git.globs import Globs


@pytest.mark.parametrize(
    ("pattern", "path", "chosen"),
    [
        ("*", "a/b/c.py", True),
        ("*", ".github/workflow.yml", True),
        ("**/*", "a.py", True),
        ("*.py", "a.py", True),
        ("*.py", "deep/down/a.py", True),
        ("*.py", "a.pyc", False),
        ("/a.py", "a.py", True),
        ("/a.py", "deep/a.py", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/deep/a.py", False),
        ("src/**/*.py", "src/deep/er/a.py", True),
        ("src/**/*.py", "src/a.py", True),
        ("docs", "docs/deep/a.md", True),
        ("docs", "other/docs/a.md", True),
        ("docs/", "docs/a.md", True),
        ("docs/", "docs", False),
        ("/docs/", "other/docs/a.md", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].md", "b.md", True),
        ("[!ab].md", "b.md", False),
        ("ünï*", "ünïcödé.md", True),
        ("*.PY", "a.py", False),
    ],
)
def test_include(pattern: str, path: str, chosen: bool) -> None:
    assert Globs([pattern], []).chosen(path) is chosen


def test_nothing_included_means_everything() -> None:
    assert Globs([], []).chosen("any/thing")


def test_exclude_wins() -> None:
    globs = Globs(["*.py"], ["tests/", "*_pb2.py"])
    assert globs.chosen("src/a.py")
    assert not globs.chosen("tests/a.py")
    assert not globs.chosen("src/a_pb2.py")
    assert not globs.chosen("a.go")


def test_each_pattern_that_matches_no_path_is_told_of() -> None:
    globs = Globs(["*.py", "*.rs", "docs/"], ["*_pb2.py", "*.toml", "vendor/"])
    for path in ("src/a.py", "docs/a.md", "a_pb2.py", "pyproject.toml"):
        globs.chosen(path)
    assert globs.unmatched() == [
        "spec.github.includeGlobs: '*.rs' matches no file.",
        "spec.github.excludeGlobs: 'vendor/' matches no file.",
    ]
