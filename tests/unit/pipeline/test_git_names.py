"""Trees that no git would write: each entry has its verdict, whatever its name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Temporary, Unusable
from chroma_sync.pipeline.fetch.git.globs import Globs
from chroma_sync.pipeline.toolbox import Toolbox
from fakes.git_host import Handler, serving
from fakes.trees import commit_of, flat_tree
from unit.pipeline.git_kit import served, source

ODD = (
    (b".gitattributes", b"*.gen linguist-generated\n"),
    *((b"twice.py", b"first = 1\n"), (b"other.py", b"x = 1\n"), (b"twice.py", b"second = 2\n")),
    *((b"..", b"x\n"), (b".", b"x\n"), (b"../up.py", b"x\n"), (b"/abs.txt", b"x\n")),
    *((b"a//b.py", b"x\n"), (b"a/", b"x\n"), (b"a/./b.py", b"x\n"), (b"latin-\xfc.py", b"x\n")),
    *((b"sub/../.gitattributes", b"* linguist-generated\n"), (b"a.gen", b"x\n")),
)
INVALID = ("..", ".", "../up.py", "/abs.txt", "a//b.py", "a/", "a/./b.py", "sub/../.gitattributes")


def test_each_entry_has_one_verdict(tmp_path: Path) -> None:
    with served(tmp_path, lambda shop: flat_tree(shop, ODD)) as (url, commit):
        git = source(url, tmp_path)
        git.prepare(commit)
        found = [(e.key, e.skip) for e in git.refs()]
        again = [(e.key, e.skip) for e in git.refs()]
        git.close()
    assert again == found and len(found) == len(ODD)
    assert [skip for key, skip in found if key == "twice.py"] == [None, None]  # the ledger tells
    assert dict(found)["latin-\\xfc.py"] is DocumentReason.NAME_NOT_UTF8
    assert dict(found)["a.gen"] is DocumentReason.GENERATED
    assert {key for key, skip in found if skip is DocumentReason.INVALID_NAME} == set(INVALID)
    assert {key for key, skip in found if skip is None} == {
        *(".gitattributes", "twice.py", "other.py"),
    }


def test_an_entry_without_a_name_is_the_repositorys_fault(tmp_path: Path) -> None:
    """git can't read the tree that holds it, nor send it. What one is sent all the same has the
    hash that was asked for: so it is what the repository holds, and will be."""
    shop = tmp_path / "root" / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    commit = commit_of(shop, flat_tree(shop, ((b"", b"x\n"), (b"a.py", b"y\n"))))
    pack = tmp_path / "pack"
    git = ["git", "-C", str(shop)]
    every = ["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]
    ids = subprocess.run([*git, *every], capture_output=True, check=True).stdout
    packed = subprocess.run(
        [*git, "pack-objects", "-q", "--stdout"], input=ids, capture_output=True, check=True
    )
    pack.write_bytes(packed.stdout)

    class Sends(Handler):
        """Whatever is asked for."""

        def settings(self) -> dict[str, str]:
            return {"uploadpack.packObjectsHook": f"cat {pack}; exec true"}

    for handler, expected in ((Sends, Unusable), (Handler, Temporary)):
        with serving(tmp_path / "root", handler=handler) as url:
            reader = source(f"{url}/acme/shop", tmp_path)
            with pytest.raises(expected, match="empty filename in tree entry"):
                reader.prepare(commit)


def test_a_star_alone_is_no_filter(tmp_path: Path) -> None:
    with served(tmp_path, lambda shop: flat_tree(shop, ODD)) as (url, commit):
        git = source(url, tmp_path, globs=Globs(["*"], []))
        git.prepare(commit)
        assert sum(1 for _ in git.refs()) == len(ODD)
        git = source(url, tmp_path, globs=Globs([], ["*"]))
        git.prepare(commit)
        assert not list(git.refs())


@pytest.mark.parametrize("path", ["..", ".", "../a", "/a", "a/", "a//b", ".a/.b", "a\nb", "\x1b"])
def test_a_star_alone_takes_every_path(path: str) -> None:
    assert Globs(["*"], []).chosen(path)


def test_a_run_over_such_a_tree_ends(make_tools: Callable[..., Toolbox], tmp_path: Path) -> None:
    """Also the second one, which finds all of it standing."""
    root = tmp_path / "root"
    with served(root, lambda shop: flat_tree(shop, ODD)) as (url, commit):
        base_url, _, name = url.rpartition("/acme/")
        for policy in ("Create", "Update"):
            tools = make_tools(
                sha=commit, base_url=base_url, repository_name=f"acme/{name}", policy=policy
            )
            steps.run(tools)
            documents = tools.progress.result().documents
            assert documents.discovered == len(ODD) and documents.failed == 0
            assert documents.indexed + documents.unchanged == 3
            assert tools.progress.result().skipped[DocumentReason.DUPLICATE] == 1
