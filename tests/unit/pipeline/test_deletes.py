"""What a run may delete: little enough, and only as the pod of it that finishes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.errors import Temporary, Unusable
from chroma_sync.pipeline.existing import load_orphans
from chroma_sync.pipeline.fetch import Outcome, Ref
from chroma_sync.pipeline.forecast import forecast
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.git_host import serving
from unit.pipeline.stored import contents, metadata

MakeTools = Callable[..., Toolbox]


@pytest.fixture
def make(make_tools: MakeTools, tmp_path: Path) -> Iterator[Callable[..., Toolbox]]:
    """Makes tools for runs over commits of so many documents: 10, 6, 5, 4, 0 and 10 others."""
    root = tmp_path / "host"
    (root / "acme").mkdir(parents=True)
    listed: list[list[str]] = [[f"{n}.txt" for n in range(count)] for count in (10, 6, 5, 4, 0)]
    listed.append([f"moved/{n}.txt" for n in range(10)])
    trees = [
        {name: repository.GeneratedFile(f"text {name}\n".encode()) for name in names}
        for names in listed
    ]
    with serving(root) as url:
        shas = repository.write(root / "acme" / "many", trees)

        def made(commit: int, *, limit: int = 50, allow: bool = False, **what: Any) -> Toolbox:
            options = {"repository_name": "acme/many", "base_url": url, "policy": "Update"}
            limits = {"max_delete_percent": limit, "allow_mass_delete": allow}
            return make_tools(**options, **limits, sha=shas[commit], **what)

        yield made


@pytest.mark.parametrize(
    ("commit", "limit", "go"),
    [(3, 50, 6), (4, 50, 10), (1, 39, 4), (1, 0, 4), (4, 99, 10)],
)
def test_a_run_that_would_remove_too_much_ends_before_it(
    make: Callable[..., Toolbox], commit: int, limit: int, go: int
) -> None:
    first = make(0, run="first")
    steps.run(first)
    stood = contents(first)
    told = forecast(make(commit, limit=limit))
    for run in ("in one pod", "in several"):
        update = make(commit, limit=limit, run=run)
        with pytest.raises(Unusable) as caught:
            if run == "in one pod":
                steps.run(update)
            else:
                steps.plan(update)
                steps.work(make(commit, limit=limit, run=run))
                steps.finish(make(commit, limit=limit, run=run))
        assert caught.value.reason is Reason.WOULD_REMOVE_TOO_MUCH
        assert f"would remove {go} of the 10 documents" in str(caught.value)
        assert f"allows {limit} %" in str(caught.value)
        assert "spec.allowMassDelete: true" in str(caught.value)
        done = "Nothing was deleted, and the collection is not marked as finished."
        would = "It would end with WouldRemoveTooMuch, and nothing would be deleted."
        assert done in str(caught.value)
        assert told.refused == str(caught.value).replace(done, would)
        assert contents(first) == stood
        assert metadata(first)["finished_by"] == "first"
    allowed = make(commit, limit=limit, allow=True)
    assert forecast(allowed).refused == ""
    steps.run(allowed)
    assert allowed.progress.result().documents.removed == go
    assert len(contents(first)) == 10 - go


@pytest.mark.parametrize(("commit", "limit"), [(2, 50), (5, 50), (1, 40), (4, 100)])
def test_a_run_that_removes_no_more_than_it_may(
    make: Callable[..., Toolbox], commit: int, limit: int
) -> None:
    """Half of the documents; a folder that is moved, which is half of what stands by then."""
    steps.run(make(0))
    update = make(commit, limit=limit)
    told = forecast(make(commit, limit=limit))
    steps.run(update)
    assert told.refused == ""
    assert update.progress.result().documents.removed == told.removed > 0


def test_globs_that_match_nothing_empty_no_collection(make: Callable[..., Toolbox]) -> None:
    first = make(0)
    steps.run(first)
    stood = contents(first)
    with pytest.raises(Unusable, match="10 of the 10 documents"):
        steps.run(make(0, globs=("nothing/*",)))
    assert contents(first) == stood


@pytest.mark.parametrize("how_far", ["has begun to finish", "has finished"])
def test_of_two_pods_that_finish_one_run_the_last_one_deletes(
    make: Callable[..., Toolbox], monkeypatch: pytest.MonkeyPatch, how_far: str
) -> None:
    """A lost node lets the first one live on, after the second one was made."""
    steps.run(make(0))
    first, second = make(1, run="r"), make(1, run="r")
    real, meanwhile = load_orphans, [True]

    def looking(*what: Any) -> None:
        real(*what)
        if meanwhile:
            meanwhile.clear()
            if how_far == "has finished":
                steps.finish(second)
            else:
                with pytest.raises(_StoppedError):
                    steps.finish(second)

    def stops(*what: Any) -> None:
        if not meanwhile and how_far == "has begun to finish":
            raise _StoppedError
        looking(*what)

    monkeypatch.setattr(steps, "load_orphans", stops)
    steps.plan(first)
    steps.work(first)
    stood = len(contents(first))
    with pytest.raises(Temporary, match="Another pod of this run") as caught:
        steps.finish(first)
    assert caught.value.reason is Reason.RUN_LOST
    if how_far == "has begun to finish":
        assert len(contents(first)) == stood, "nothing was deleted"
        monkeypatch.undo()
        steps.finish(make(1, run="r"))
    assert len(contents(first)) == 6
    assert metadata(first)["finished_by"] == "r"
    assert "attempt" not in metadata(first)


class _StoppedError(Exception):
    """Stands for a pod that is killed."""


def test_a_pod_stops_when_another_one_has_finished_the_run(
    make: Callable[..., Toolbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would write from then on nobody looks at any more."""
    monkeypatch.setattr("chroma_sync.pipeline.run._OWNER_SECONDS", 0.01)
    first, second = make(0, run="r"), make(0, run="r")
    real = first.connector.open

    def slow(ref: Ref, known: str | None) -> Outcome:
        if ref.key == "5.txt":
            steps.run(second)
            time.sleep(1)
        return real(ref, known)

    monkeypatch.setattr(first.connector, "open", slow)
    with pytest.raises(Temporary, match="Another pod of this run") as caught:
        steps.run(first)
    assert caught.value.reason is Reason.RUN_LOST
    steps.run(make(0, run="r"))
    assert len(contents(first)) == 10
