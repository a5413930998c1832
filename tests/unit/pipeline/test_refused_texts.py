"""Runs some of whose texts the embedding server refuses: what stands is never lost by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chroma_sync.api.contract import ExitCode
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.embed import EmbeddingUnavailable, TeiModel
from chroma_sync.pipeline.errors import Unusable
from chroma_sync.pipeline.index.chroma import Collection
from chroma_sync.pipeline.index.records import Record, document_sha
from chroma_sync.pipeline.index.writes import RefusedRecord
from chroma_sync.pipeline.shards import Shard
from chroma_sync.pipeline.toolbox import Toolbox
from fakes import repository
from fakes.git_host import serving
from fakes.hash_model import HashModel
from fakes.scripted_tei import Clock, scripted
from fakes.tei_gateway import TEXT_REFUSALS, Gateway, Refusing, of_model
from unit.pipeline.stored import contents, metadata

MakeTools = Callable[..., Toolbox]
MakeRepository = Callable[[list[dict[str, str]]], dict[str, Any]]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[MakeRepository]:
    """Makes a repository of some commits; gives what `make_tools` needs to read the last one."""
    root = tmp_path / "host"
    (root / "acme").mkdir(parents=True)
    with serving(root) as url:

        def make(commits: list[dict[str, str]]) -> dict[str, Any]:
            files = [
                {name: repository.GeneratedFile(text.encode()) for name, text in commit.items()}
                for commit in commits
            ]
            shas = repository.write(root / "acme" / "own", files)
            return {"base_url": url, "repository_name": "acme/own", "commits": shas}

        yield make


def read(made: dict[str, Any], commit: int) -> dict[str, Any]:
    return {
        "base_url": made["base_url"],
        "repository_name": made["repository_name"],
        "sha": made["commits"][commit],
    }


def of_document(tools: Toolbox, key: str) -> dict[str, Any]:
    return {i: r for i, r in contents(tools).items() if i.startswith(document_sha(key))}


@contextmanager
def client(gateway: Gateway) -> Iterator[TeiModel]:
    clock = Clock()
    with scripted(gateway) as url:
        model = TeiModel(url, model="hash", retry_budget_seconds=30, clock=clock, sleep=clock.sleep)
        yield model
        model.close()


@pytest.mark.parametrize("kind", [k for k in TEXT_REFUSALS if k != "too long"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_gateway_that_refuses_all_texts_empties_no_collection(
    make_tools: MakeTools, host: MakeRepository, kind: str, first: int
) -> None:
    """Six documents stand and have changed. From its first text or its second one on, the update
    meets a gateway that refuses them all."""
    made = host([{f"{i}.txt": f"{what} {i}\n" for i in range(6)} for what in ("old", "new")])
    before = make_tools(run="first", **read(made, 0))
    steps.run(before)
    stood, marks = contents(before), metadata(before)
    assert len(stood) == 6
    rule = Refusing(TEXT_REFUSALS[kind], ("/embed",), first=first)
    with client(Gateway(of_model(HashModel(dimension=16)), [rule])) as model:
        update = make_tools(run="second", policy="Update", model=model, **read(made, 1))
        with pytest.raises(EmbeddingUnavailable) as caught:
            steps.run(update)
    assert caught.value.exit_code is ExitCode.TEMPORARY
    assert contents(before) == stood
    assert metadata(before)["finished_by"] == marks["finished_by"] == "first"
    counts = update.progress.result().documents
    assert (counts.failed, counts.kept, counts.removed) == (0, 0, 0)


def functions(letter: str) -> str:
    return "".join(f"def {letter}{i}():\n    return {i}\n\n\n" for i in range(200))


NEW = {"big.py": functions("g"), "new.txt": "is new\n"}


@pytest.mark.parametrize("refused", ["def g0(", "def g57(", "def g199("])
@pytest.mark.parametrize("pods", ["one", "several", "several that tell"])
def test_what_stands_of_a_refused_document_is_kept_whole(
    make_tools: MakeTools, host: MakeRepository, refused: str, pods: str
) -> None:
    """Whichever of its chunks is refused, nothing of the document is written over."""
    made = host([{"big.py": functions("f"), "gone.txt": "goes\n"}, NEW])
    first = make_tools(run="first", **read(made, 0))
    steps.run(first)
    stood = of_document(first, "big.py")
    refusing = HashModel(dimension=16, refuses=refused)
    options = {"run": "second", "policy": "Update", "model": refusing, **read(made, 1)}
    if pods == "one":
        update = make_tools(**options)
        steps.run(update)
    else:
        steps.plan(make_tools(**options))
        update = make_tools(**options)
        steps.work(update)
        last = make_tools(**options)
        if pods == "several that tell":
            # What was judged is not judged again.
            last = make_tools(**{**options, "model": HashModel(dimension=16, breaks_after=0)})
            last.configuration.seals = [update.progress.result().seal]
        steps.finish(last)
    result = update.progress.result()
    assert (result.documents.kept, result.documents.failed) == (1, 0)
    assert [(f.document, f.reason) for f in result.failures] == [("big.py", "EmbeddingRejected")]
    assert of_document(first, "big.py") == stood
    assert metadata(first)["finished_by"] == "second"
    assert not of_document(first, "gone.txt"), "what is gone from the source goes all the same"
    assert of_document(first, "new.txt")
    # Once the text is taken, the document is brought to its new state.
    steps.run(make_tools(run="third", policy="Update", **read(made, 1)))
    fresh = make_tools(collection="fresh", **read(made, 1))
    steps.run(fresh)
    assert contents(first) == contents(fresh, "fresh")


def test_a_document_that_is_torn_between_two_versions_is_not_kept(
    make_tools: MakeTools, host: MakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run broke off before chunk 0, which is written last: the others are of its version."""
    made = host([{"big.py": functions(letter)} for letter in "fgh"])
    steps.run(make_tools(run="first", **read(made, 0)))
    real, first_id = Collection.upsert, f"{document_sha('big.py')}-0"

    def killed(self: Collection, records: Sequence[Record]) -> list[RefusedRecord]:
        if any(record.id == first_id for record in records):
            raise _KilledError
        return real(self, records)

    monkeypatch.setattr(Collection, "upsert", killed)
    with pytest.raises(_KilledError):
        steps.run(make_tools(run="second", policy="Update", **read(made, 1)))
    monkeypatch.undo()
    versions = {dict(r[1])["version_key"] for r in of_document(make_tools(), "big.py").values()}
    assert len(versions) == 2
    refusing = HashModel(dimension=16, refuses="def h7(")
    third = make_tools(run="third", policy="Update", model=refusing, **read(made, 2))
    third.configuration.max_delete_percent = 100
    steps.run(third)
    counts = third.progress.result().documents
    assert (counts.failed, counts.kept) == (1, 0)
    assert not of_document(third, "big.py")


class _KilledError(Exception):
    """Stands for a pod that is killed."""


def test_what_was_embedded_with_another_prompt_is_not_kept(
    make_tools: MakeTools, host: MakeRepository
) -> None:
    """Its vectors can't be compared with those of the other documents."""
    made = host([{"a.txt": "old\n", "b.txt": "stays\n"}, {"a.txt": "fresh\n", "b.txt": "stays\n"}])
    steps.run(make_tools(run="first", **read(made, 0)))
    second = make_tools(
        run="second",
        policy="Update",
        model=HashModel(dimension=16, refuses="fresh"),
        **read(made, 1),
    )
    second.configuration.embedding.document_prompt = "passage: "
    steps.run(second)
    counts = second.progress.result().documents
    assert (counts.failed, counts.kept, counts.indexed) == (1, 0, 1)
    assert not of_document(second, "a.txt")


def test_what_a_broken_run_left_of_a_new_document_is_not_kept(
    make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its chunk 0 it never stood."""
    begun = make_tools(run="one")
    steps.plan(begun)
    steps.work(begun)
    collection = begun.database.find("target")
    assert collection is not None
    collection.delete([f"{document_sha('big.py')}-0"])
    refusing = make_tools(run="two", model=HashModel(dimension=16, refuses="def f0()"))
    steps.run(refusing)
    counts = refusing.progress.result().documents
    assert (counts.failed, counts.kept) == (1, 0)
    assert not of_document(begun, "big.py")


def documents(count: int, refused: int, version: str) -> dict[str, str]:
    return {
        f"{i}.txt": f"{'poison' if i < refused else 'text'} {version} {i}\n" for i in range(count)
    }


@pytest.mark.parametrize(
    ("pods", "count", "refused", "ends"),
    [
        ("one", 30, 20, False),
        ("one", 30, 21, True),
        ("several", 30, 21, True),
        ("one", 421, 21, False),
    ],
)
def test_a_run_whose_documents_are_refused_in_number_ends_before_it_deletes(
    make_tools: MakeTools, host: MakeRepository, pods: str, count: int, refused: int, ends: bool
) -> None:
    """Over 20 and over 5 %, also where no pod alone has seen so many."""
    made = host(
        [
            {**documents(count, 0, "old"), "gone.txt": "goes\n"},
            documents(count, refused, "new"),
        ]
    )
    first = make_tools(run="first", **read(made, 0))
    steps.run(first)
    stood = contents(first)
    options = {
        **read(made, 1),
        "run": "second",
        "policy": "Update",
        "model": HashModel(dimension=16, refuses="poison"),
    }

    def whole_run() -> None:
        if pods == "one":
            steps.run(make_tools(**options))
            return
        steps.plan(make_tools(**options))
        for index in range(3):
            steps.work(make_tools(**options), Shard(index, 3))
        steps.finish(make_tools(**options))

    if not ends:
        whole_run()
        assert metadata(first)["finished_by"] == "second"
        assert not of_document(first, "gone.txt")
        return
    with pytest.raises(Unusable) as caught:
        whole_run()
    assert caught.value.reason is Reason.TOO_MANY_REFUSED
    assert metadata(first)["finished_by"] == "first"
    assert contents(first).keys() == stood.keys()
    now = contents(first)
    kept = {f"{document_sha(f'{i}.txt')}-0" for i in range(refused)}
    assert {i: now[i] for i in kept} == {i: stood[i] for i in kept}


def test_a_document_of_which_chroma_refuses_a_record_is_not_left_half_written(
    make_tools: MakeTools, host: MakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other records are written over by then: it goes, for it is whole no more."""
    made = host([{"big.py": functions("f"), "b.md": "b"}, {"big.py": functions("g"), "b.md": "b"}])
    steps.run(make_tools(run="first", **read(made, 0)))
    real = Collection.upsert

    def refusing(self: Collection, records: Sequence[Record]) -> list[RefusedRecord]:
        good = [record for record in records if "def g57(" not in record.text]
        bad = [RefusedRecord(record, "no") for record in records if "def g57(" in record.text]
        return [*real(self, good), *bad]

    monkeypatch.setattr(Collection, "upsert", refusing)
    update = make_tools(run="second", policy="Update", **read(made, 1))
    steps.run(update)
    documents = update.progress.result().documents
    assert (documents.unchanged, documents.kept, documents.failed) == (1, 0, 1)
    assert {values["document_key"] for values in stored_metadata(update)} == {"b.md"}
    assert metadata(update)["finished_by"] == "second"


def stored_metadata(tools: Toolbox) -> list[dict[str, Any]]:
    return [dict(values) for _, values, _ in contents(tools).values()]
