"""What a plan says of a run, and whether the run then does it."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.kit import FILES, chroma_sync, objects, written


def test_a_plan_and_then_a_report(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url))
    planned = chroma_sync(tmp_path, "plan", *files)
    assert planned.returncode == 0, planned.stderr
    assert "documents: 3 to add, 0 to change, 0 unchanged, 0 to remove; 0 skipped" in planned.stdout
    assert "chunks: 3 to write, 3 of them to embed" in planned.stdout
    assert "chunks by type: 2 python, 1 markdown" in planned.stdout
    most = [line.split() for line in planned.stdout.partition("most chunks:\n")[2].splitlines()]
    assert sorted(most) == sorted(["1", path] for path in FILES)
    assert not (tmp_path / "chroma").exists(), "a plan writes nothing"
    ran = chroma_sync(tmp_path, "run", *files, "--report", "verdicts.jsonl")
    assert ran.returncode == 0, ran.stderr
    lines = (tmp_path / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = sorted((json.loads(line) for line in lines), key=lambda v: str(v["document"]))
    assert verdicts == [
        {
            "run": "run",
            "document": path,
            "verdict": "indexed",
            "bytes": len(FILES[path].data),
            "chunks": 1,
        }
        for path in sorted(FILES)
    ]
    # The collection is finished: a plan says so, as the run would.
    again = chroma_sync(tmp_path, "plan", *files)
    assert again.returncode == 64
    assert "CollectionAlreadyIngested" in again.stderr


def test_a_plan_of_two_runs_into_one_collection(git_url: str, tmp_path: Path) -> None:
    source, first = objects(git_url)
    items = [source, first]
    for name, collection in (("second", "shop"), ("other", "other")):
        spec = {**first["spec"], "targetCollectionName": collection}
        items.append({**first, "metadata": {"name": name}, "spec": spec})
    planned = chroma_sync(tmp_path, "plan", *written(tmp_path, items))
    assert planned.returncode == 0, planned.stderr
    note = "It comes after Invocation run into the same collection, which is not counted here."
    _, _, *told = planned.stdout.split(", at ")
    assert [note in one for one in told] == [True, False]


def test_a_plan_warns_as_a_run_does(git_url: str, tmp_path: Path) -> None:
    source, run = objects(git_url)
    source["spec"]["github"]["includeGlobs"] = ["*.rs"]
    for command in ("plan", "run"):
        done = chroma_sync(tmp_path, command, *written(tmp_path, [source, run]))
        assert done.returncode == 0, done.stderr
        assert "Source/shop: no file of the repository is chosen" in done.stderr


def test_a_plan_of_a_run_that_would_remove_too_much(git_url: str, tmp_path: Path) -> None:
    source, run = objects(git_url)
    done = chroma_sync(tmp_path, "run", *written(tmp_path, [source, run]))
    assert done.returncode == 0, done.stderr
    source["spec"]["github"]["includeGlobs"] = ["*.md"]
    run["spec"]["targetPolicy"] = "Update"
    files = written(tmp_path, [source, run])
    planned, refused = (chroma_sync(tmp_path, command, *files) for command in ("plan", "run"))
    assert "0 to change, 1 unchanged, 2 to remove" in planned.stdout
    for ended in (planned, refused):
        assert ended.returncode == 65
        assert (
            "Invocation/run: WouldRemoveTooMuch: This run would remove 2 of the 3 documents"
        ) in ended.stderr
    assert "Nothing was deleted" not in planned.stderr
