"""What a repository's `.gitattributes` say, asked of a real git."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.errors import Stopped
from chroma_sync.pipeline.fetch.git import attributes
from chroma_sync.pipeline.fetch.git.attributes import GENERATED, Attributes, GivenUp
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.queues import StopSignal
from fakes.trees import commit_of, tree_of
from unit.pipeline.git_kit import served_tree, source

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
        git = source(url, tmp_path)
        git.prepare(commit)
        skips = {e.key: e.skip for e in git.refs() if e.skip is not None}
        assert sum(1 for _ in git.refs()) == len(MARKED)
        git = source(url, tmp_path, included=frozenset({DocumentReason.GENERATED}))
        git.prepare(commit)
        vendored = {e.key for e in git.refs() if e.skip is DocumentReason.VENDORED}
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
        git = source(url, tmp_path)
        git.prepare(commit)
        marked = {e.key for e in git.refs() if e.skip is DocumentReason.GENERATED}
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
        git = source(url, tmp_path)
        git.prepare(commit)
        marked = {e.key for e in git.refs() if e.skip is DocumentReason.VENDORED}
    assert marked == {
        *("one/a.c", "two/a.c", "two/deep/a.c", "With Blanks/deep/a.c", "Plain Name/a.c"),
        "sub/gen/a.c",
    }


# Twelve stars and a name that just does not match: git's matcher tries all ways, for ever.
ENDLESS = {
    ".gitattributes": b"*a" * 12 + b"b linguist-generated\n*.py linguist-generated\n",
    "a" * 120 + "c.txt": b"x\n",
    "before.py": b"x\n",
    "README.md": b"x\n",
}


def test_a_pattern_that_git_matches_for_ever_costs_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all files alike, so that each listing says the same."""
    monkeypatch.setattr(attributes, "_CPU_SECONDS", 1)
    with served_tree(tmp_path, ENDLESS) as (url, commit):
        git = source(url, tmp_path)
        git.prepare(commit)
        assert {e.key: e.skip for e in git.refs()} == dict.fromkeys(ENDLESS)
        (note,) = git.notes()
        assert "git takes longer than 1 s to match their patterns" in note
        began = time.monotonic()
        assert {e.key: e.skip for e in git.refs()} == dict.fromkeys(ENDLESS)
        assert time.monotonic() - began < 1  # it is not tried again
    _no_process_has(tmp_path)


def test_git_that_gets_no_processor_is_given_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributes, "_WALL_SECONDS", 0.5)
    with served_tree(tmp_path, ENDLESS) as (url, commit):
        git = source(url, tmp_path)
        git.prepare(commit)
        assert {e.key: e.skip for e in git.refs()} == dict.fromkeys(ENDLESS)
        (note,) = git.notes()
    assert "git was not done with them within 0.5 s" in note
    _no_process_has(tmp_path)


def test_a_stop_ends_the_match(tmp_path: Path) -> None:
    stop = StopSignal()
    with served_tree(tmp_path, ENDLESS) as (url, commit):
        git = source(url, tmp_path, stop=stop)
        git.prepare(commit)
        threading.Timer(0.5, stop.stop).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            list(git.refs())
        assert time.monotonic() - began < 10
    _no_process_has(tmp_path)


def _no_process_has(folder: Path) -> None:
    """None that was started for a repository in the folder is left."""
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue  # it ended just now
        if str(folder).encode() in line:
            left.append(line)
    assert not left


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository, as it lies on a disk, that marks its texts as generated."""
    shop = tmp_path / "shop"
    commit_of(shop, tree_of(shop, {".gitattributes": b"*.txt linguist-generated\n"}))
    return shop


def ask(found: Attributes, shop: Path, paths: list[bytes | None]) -> None:
    found.ask(GitCommand(StopSignal()), shop, "main", paths)


def told(found: Attributes, count: int) -> list[bytes | None]:
    with closing(found.values()) as values:
        return [None if v is None else v[GENERATED] for v in islice(values, count)]


def test_a_name_over_which_git_dies_costs_that_name(shop: Path, tmp_path: Path) -> None:
    """git does not take a name outside of its repository."""
    found = Attributes(tmp_path / "attributes", [GENERATED])
    paths = [b"a.txt", b"/abs.txt", None, b"../x.txt", b"b.py", b"z.txt"]
    ask(found, shop, paths)
    assert told(found, len(paths)) == [b"set", None, None, None, b"unspecified", b"set"]


def test_git_that_dies_over_many_names_costs_the_marks(shop: Path, tmp_path: Path) -> None:
    found = Attributes(tmp_path / "attributes", [GENERATED])
    with pytest.raises(GivenUp, match="more than 20 of the files' names"):
        ask(found, shop, [b"a.txt", *[b"/abs.txt"] * 21, b"z.txt"])
    assert told(found, 30) == [None] * 30


def test_more_files_of_attributes_than_anyone_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributes, "_FILES_MAX", 3)
    files: dict[str, bytes] = {f"{i}/.gitattributes": b"* linguist-generated\n" for i in range(4)}
    with served_tree(tmp_path, files) as (url, commit):
        git = source(url, tmp_path)
        git.prepare(commit)
        assert {e.skip for e in git.refs()} == {None}
        assert "there are more than 3 such files" in git.notes()[0]
