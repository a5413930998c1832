"""What a repository's `.gitattributes` say, asked of a real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.attributes import GENERATED, VENDORED
from unit.pipeline.git_kit import served_tree, source

MARKS = {GENERATED: DocumentReason.GENERATED, VENDORED: DocumentReason.VENDORED}
MARKED = {
    ".gitattributes": b"*.gen.py linguist-generated\nlib/** linguist-vendored=true\n"
    b"lib/ours.py linguist-vendored=false\n*.txt linguist-generated=false\n",
    "sub/.gitattributes": b"*.sql linguist-generated=true\n",
    "sub/.git/.gitattributes": b"* linguist-generated\n",
    "a.gen.py": b"x\n",
    "lib/theirs.gen.py": b"x\n",
    "lib/theirs.py": b"x\n",
    "lib/ours.py": b"x\n",
    "plain.txt": b"x\n",
    "sub/\n.sql": b"x\n",
    "top.sql": b"x\n",
}


def test_generated_and_vendored_files(tmp_path: Path) -> None:
    with served_tree(tmp_path, MARKED) as (url, commit):
        git = source(url, tmp_path, marks=MARKS)
        git.open(commit)
        skips = {e.key: e.skip for e in git.entries() if e.skip is not None}
        assert sum(1 for _ in git.entries()) == len(MARKED)
        git = source(url, tmp_path, marks={VENDORED: DocumentReason.VENDORED})
        git.open(commit)
        vendored = {e.key for e in git.entries() if e.skip is DocumentReason.VENDORED}
    assert skips == {
        "a.gen.py": DocumentReason.GENERATED,
        "lib/theirs.gen.py": DocumentReason.GENERATED,
        "lib/theirs.py": DocumentReason.VENDORED,
        "sub/\n.sql": DocumentReason.GENERATED,
    }
    assert vendored == {"lib/theirs.gen.py", "lib/theirs.py"}


@pytest.mark.parametrize(
    ("written", "is_marked"),
    [
        ("linguist-generated", True),
        ("linguist-generated=true", True),
        ("linguist-generated=True", True),
        ("linguist-generated=1", True),
        ("linguist-generated=yes", True),
        ("made", True),  # a macro
        ("linguist-generated=false", False),
        ("-linguist-generated", False),
        ("linguist-generated !linguist-generated", False),
        ("text", False),
    ],
)
def test_every_value_but_false_marks_a_file(tmp_path: Path, written: str, is_marked: bool) -> None:
    attributes = f"[attr]made linguist-generated\na.py {written}\n".encode()
    with served_tree(tmp_path, {".gitattributes": attributes, "a.py": b"x\n"}) as (url, commit):
        git = source(url, tmp_path, marks=MARKS)
        git.open(commit)
        marked = {e.key for e in git.entries() if e.skip is DocumentReason.GENERATED}
    assert marked == ({"a.py"} if is_marked else set())


PLACES = {
    ".gitattributes": b"one/* linguist-vendored\ntwo/** linguist-vendored=true\n"
    b'folder/ linguist-vendored\n"With Blanks/**" linguist-vendored\n'
    b"Plain?Name/** linguist-vendored\ntestdata/* linguist-vendored\n",
    "sub/.gitattributes": b"gen/** linguist-vendored\ngen/keep.c -linguist-vendored\n",
    **dict.fromkeys(("one/a.c", "one/deep/a.c", "two/a.c", "two/deep/a.c"), b"x\n"),
    **dict.fromkeys(("folder/a.c", "With Blanks/deep/a.c", "Plain Name/a.c"), b"x\n"),
    **dict.fromkeys(("bar/testdata/a.c", "sub/gen/a.c", "sub/gen/keep.c"), b"x\n"),
}


def test_patterns_mean_what_they_mean_to_git(tmp_path: Path) -> None:
    """gitattributes(5): a pattern of a folder does not reach what is in it; one with a slash is
    anchored; one with blanks is quoted."""
    with served_tree(tmp_path, PLACES) as (url, commit):
        git = source(url, tmp_path, marks=MARKS)
        git.open(commit)
        marked = {e.key for e in git.entries() if e.skip is DocumentReason.VENDORED}
    assert marked == {
        *("one/a.c", "two/a.c", "two/deep/a.c", "With Blanks/deep/a.c", "Plain Name/a.c"),
        "sub/gen/a.c",
    }
