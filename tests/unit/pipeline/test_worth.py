"""Whole runs over what tools made, what is copied, and what is in another encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.pipeline import steps
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import web_project
from fakes.git_host import serving
from fakes.trees import commit_of, tree_of
from unit.pipeline.stored import contents

MakeTools = Callable[..., Toolbox]
LATIN = "// Größe prüfen\n".encode("latin-1")
BUNDLE = b"function a(b){return b.c(function(d){return d*2}).e()};" * 40
FILES = {
    "app.js": b"export const answer = 42;\n",
    "yarn.lock": b"a@1:\n  version 1\n",
    "bundle.js": BUNDLE,
    "vendor/lib.c": b"int lib;\n",
    "latin.c": LATIN,
}


def keys(tools: Toolbox, name: str = "target") -> set[str]:
    """The documents of a collection."""
    return {str(dict(row[1])["document_key"]) for row in contents(tools, name).values()}


@pytest.fixture
def runs(make_tools: MakeTools, tmp_path: Path) -> Iterator[Callable[..., Toolbox]]:
    """Run over some files of one repository, and see that it did what its plan said."""
    shop = tmp_path / "host" / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    with serving(tmp_path / "host") as url:

        def run(files: Mapping[Any, bytes], **what: Any) -> Toolbox:
            commit = commit_of(shop, tree_of(shop, files))
            told = forecast(make_tools(sha=commit, base_url=url, **what))
            tools = make_tools(sha=commit, base_url=url, allow_mass_delete=True, **what)
            steps.run(tools)
            done = tools.progress.result()
            assert dict(told.skipped) == done.skipped
            assert told.added + told.changed == done.documents.indexed
            assert told.unchanged == done.documents.unchanged
            return tools

        yield run


def test_of_a_web_project_only_what_people_wrote_is_indexed(runs: Callable[..., Toolbox]) -> None:
    files = {path: file.data for path, file in web_project.files().items()}
    tools = runs(files)
    assert keys(tools) == web_project.WRITTEN
    assert tools.progress.result().skipped == {"Generated": 4, "EncodedData": 2}
    stored = sum(len(row[0]) for row in contents(tools).values())
    assert stored < 5_000 < 750_000 < sum(map(len, files.values()))


def test_each_file_has_its_reason(runs: Callable[..., Toolbox]) -> None:
    tools = runs(FILES)
    assert keys(tools) == {"app.js"}
    assert tools.progress.result().skipped == {"Generated": 2, "Vendored": 1, "NotUtf8": 1}


@pytest.mark.parametrize(
    ("attributes", "github", "brought_back"),
    [
        ("", {"includeGenerated": True}, {"yarn.lock", "bundle.js"}),
        ("", {"includeVendored": True}, {"vendor/lib.c"}),
        ("yarn.lock -linguist-generated", {}, {"yarn.lock"}),
        ("*.js linguist-generated=false", {}, {"bundle.js"}),
        ("vendor/** -linguist-vendored", {}, {"vendor/lib.c"}),
        ("* linguist-generated=false linguist-vendored=false", {}, {*FILES} - {"latin.c"}),
        ("*.c encoding=latin1", {}, {"latin.c"}),
        ("*.c working-tree-encoding=ISO-8859-1", {"includeVendored": True}, {
            *("latin.c", "vendor/lib.c"),
        }),
        ("*.c encoding", {}, set()),
    ],
)  # fmt: skip
def test_marks_and_the_source_bring_files_back(
    runs: Callable[..., Toolbox], attributes: str, github: dict[str, bool], brought_back: set[str]
) -> None:
    tools = runs({**FILES, ".gitattributes": attributes.encode() + b"\n"}, github=github)
    assert keys(tools) - {".gitattributes"} == {"app.js"} | brought_back
    if "latin.c" in brought_back:
        texts = {dict(row[1])["document_key"]: row[0] for row in contents(tools).values()}
        assert texts["latin.c"] == LATIN.decode("latin-1")


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        # (.gitattributes, the Source's settings) of two runs over the same bytes
        (("", {"includeGenerated": True}), ("", {}), {"app.js"}),
        (("", {}), ("", {"includeGenerated": True}), {"app.js", "yarn.lock", "bundle.js"}),
        (("* -linguist-generated -linguist-vendored", {}), ("", {}), {"app.js"}),
        (("*.c encoding=latin1", {}), ("*.c encoding=cp1251", {}), {"app.js", "latin.c"}),
        (("*.c encoding=latin1", {}), ("", {}), {"app.js"}),
    ],
)
def test_an_update_comes_to_what_a_run_from_nothing_gives(
    runs: Callable[..., Toolbox],
    before: tuple[str, dict[str, bool]],
    after: tuple[str, dict[str, bool]],
    stays: set[str],
) -> None:
    """Although no file changed but `.gitattributes`."""
    for (attributes, github), collection, policy in (
        (before, "target", "Create"),
        (after, "target", "Update"),
        (after, "fresh", "Create"),
    ):
        files = {**FILES, ".gitattributes": attributes.encode() + b"\n"}
        tools = runs(files, github=github, collection=collection, policy=policy)
    assert keys(tools) - {".gitattributes"} == stays
    assert contents(tools, "target") == contents(tools, "fresh")


def test_what_stands_by_older_rules_goes(
    runs: Callable[..., Toolbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier release indexed everything."""
    with monkeypatch.context() as older:
        older.setattr("chroma_sync.pipeline.run.TEXT_RULE_VERSION", "1")
        older.setattr("chroma_sync.pipeline.fetch.worth.name_verdict", lambda path: None)
        older.setattr("chroma_sync.pipeline.fetch.content.content_verdicts", lambda *args: iter(()))
        assert keys(runs(FILES)) == {*FILES} - {"latin.c"}
    tools = runs(FILES, policy="Update")
    assert keys(tools) == {"app.js"}
    assert tools.progress.result().documents.removed == 3
