"""Our globs against git's own reading of the same patterns in a `.gitignore`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from chroma_sync.pipeline.fetch.git.globs import Globs

PATTERNS = (
    *("*", "**", "*.py", "/*.py", "?.py", "[ab].py", "[!a].py", "[^a].py", "[a-c]*", "[]a].py"),
    *("src", "src/", "/src", "src/*", "src/*.py", "src/**", "src**", "a**b", "**/src", "**/x.py"),
    *("a/**/b", "x/**/y/z", "docs/**/*.md", "**/docs/**", "foo/**/", "src/[[:alpha:]].py"),
    *("a b", "a.py ", "a\\ ", "a\\*.py", "\\#x", "\\!x", "~"),
    *("{a,b}.py", "*.{py,md}", "+(a).py", "@(a|b).py"),
)
PATHS = (
    *("a.py", "b.py", "c.py", "x.py", "A.PY", ".a.py", ".hidden/a.py", "src/.h.py", "src"),
    *("src/a.py", "src/x/a.py", "x/src/a.py", "srcx/y", "a/b", "a/x/b", "a/x/y/b/c", "axb", "a/xb"),
    *(
        "docs/a.md",
        "docs/x/a.md",
        "y/docs/z/q.md",
        "foo/x",
        "foo/x/y",
        "x/y/z",
        "x/q/y/z",
        "aXXb/c",
    ),
    *("a b", "a ", "{a,b}.py", "*.py", "a*.py", "#x", "!x", "~", "].py", "+(a).py", "@(a|b).py"),
    *("a.{py,md}", "line\nfeed.py"),
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_it_means_to_git(tmp_path: Path, pattern: str) -> None:
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (tmp_path / ".gitignore").write_text(pattern + "\n")
    done = subprocess.run(
        [*git, "check-ignore", "--no-index", "--stdin", "-z"],
        input="\0".join(PATHS).encode(),
        capture_output=True,
        check=False,  # 1 says that nothing matches
    )
    assert done.returncode in (0, 1), done.stderr
    globs = Globs([pattern], [])
    assert {p for p in PATHS if globs.chosen(p)} == set(done.stdout.decode().split("\0")) - {""}
    assert not any(Globs(["*"], [pattern]).chosen(p) for p in PATHS if globs.chosen(p))
