"""Commits that are gone, that were never there, and those of SHA-256."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Misconfigured
from chroma_sync.pipeline.index.claim import run_revision
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.git_host import Handler, ProtocolV0, serving
from unit.pipeline.git_kit import source

OLD = {"a.py": repository.GeneratedFile(b"old = 1\n"), "b.py": repository.GeneratedFile(b"b = 1\n")}
NEW = {"a.py": repository.GeneratedFile(b"new = 2\n"), "b.py": repository.GeneratedFile(b"b = 1\n")}


def force_push(shop: Path, theirs: Path) -> None:
    """Another history on main; nobody keeps the old one."""
    git = ["git", "-C", str(shop)]
    subprocess.run([*git, "fetch", "--quiet", str(theirs), "+main:main"], check=True)
    subprocess.run([*git, "gc", "--quiet", "--prune=now"], check=True)


@pytest.mark.parametrize("handler", [Handler, ProtocolV0])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_commit_that_is_gone_is_planned_again(
    make_tools: Callable[..., Toolbox], tmp_path: Path, handler: type[Handler], shards: int
) -> None:
    """In any step, while nothing is finished; what one shard has brought is kept or renewed."""
    root = tmp_path / "root"
    shop = root / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    repository.write(shop, [OLD])
    (second,) = repository.write(tmp_path / "theirs", [NEW])
    with serving(root, handler=handler) as url:

        def tools() -> Toolbox:
            return make_tools(branch="main", run="one", base_url=url)

        steps.plan(tools())
        if shards == 2:
            steps.work(tools(), Shard(0, 2))
        force_push(shop, tmp_path / "theirs")
        steps.work(tools(), Shard(shards - 1, shards))
        last = tools()
        steps.finish(last)
    result = last.progress.result()
    assert result.revision == second
    collection = last.database.find("target")
    assert collection is not None and run_revision(collection.metadata) == second
    assert collection.count() == 2


def test_a_mistyped_sha_leaves_no_collection(make_tools: Callable[..., Toolbox]) -> None:
    tools = make_tools(sha="0" * 39 + "1")
    with pytest.raises(Misconfigured) as caught:
        steps.plan(tools)
    assert caught.value.reason is Reason.REF_NOT_FOUND
    assert tools.database.find("target") is None


@pytest.mark.parametrize("handler", [Handler, ProtocolV0])
def test_a_repository_of_sha256(tmp_path: Path, handler: type[Handler]) -> None:
    root = tmp_path / "root"
    shop = root / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    _, commit = repository.write(shop, [OLD, NEW], "sha256")
    assert len(commit) == 64
    subprocess.run(["git", "-C", str(shop), "tag", "v1", commit], check=True)
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"branch": "main"},
        {"tag": "v1"},
        {"sha": commit},
        {"sha": commit[:9]},
        {"sha": commit[:40]},
    )
    with serving(root, handler=handler) as url:
        for number, ref in enumerate(asked):
            scratch = tmp_path / str(number)
            scratch.mkdir()
            git = source(f"{url}/acme/shop", scratch, **ref)
            git.check()
            assert git.resolve() == commit
            git.prepare(commit)
            texts = {entry.key: git.open(entry, None).body for entry in git.refs()}
            git.close()
            assert texts == {"a.py": b"new = 2\n", "b.py": b"b = 1\n"}


@pytest.mark.parametrize("handler", [Handler, ProtocolV0])
@pytest.mark.parametrize(
    ("object_format", "sha"), [("sha256", "0" * 40), ("sha256", "0" * 64), ("sha1", "0" * 64)]
)
def test_a_sha_that_is_not_there(
    tmp_path: Path, handler: type[Handler], object_format: str, sha: str
) -> None:
    """Whatever hash the repository's ids are made with."""
    root = tmp_path / "root"
    shop = root / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    repository.write(shop, [OLD], object_format)
    with serving(root, handler=handler) as url, pytest.raises(Misconfigured) as caught:
        source(f"{url}/acme/shop", tmp_path, sha=sha).resolve()
    assert caught.value.reason is Reason.REF_NOT_FOUND
