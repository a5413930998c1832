"""The ledger: each document is met once and judged once, and what must go is what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.api.contract import SEAL_MAX
from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import document_sha, record_id
from chroma_sync.pipeline.ledger import Ledger, Verdict
from chroma_sync.pipeline.seal import Seal, Tally
from chroma_sync.pipeline.shards import accept, sealed


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def entry(key: str, skip: DocumentReason | None = None) -> Ref:
    return Ref(key, "v", 1, skip)


def document(key: str) -> Document:
    return Document.of(entry(key))


def test_states_come_in_batches(ledger: Ledger) -> None:
    listing = {f"file{i}": f"version{i}" for i in range(7)}
    for key, version in listing.items():
        assert ledger.meet(Ref(key, version, 1))
    assert ledger.meet(entry("link", DocumentReason.SYMLINK))
    batches = list(ledger.states(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    found = {sha: version for batch in batches for sha, version in batch.items()}
    assert found == {document_sha(key): version for key, version in listing.items()}
    assert ledger.candidates() == 7


def test_a_document_comes_back_as_it_was_met(ledger: Ledger) -> None:
    entries = [
        Ref("a.py", "1", 7),
        Ref("ü\n.txt", "2", 0, DocumentReason.TOO_LARGE, encoding="latin-1"),
        Ref(
            *("b", "3", 9, None),
            despite=frozenset({DocumentReason.GENERATED, DocumentReason.VENDORED}),
            doubted=frozenset({DocumentReason.ENCODED_DATA}),
        ),
    ]
    for one in entries:
        ledger.meet(one)
    assert [found.ref for found in ledger.open_documents()] == entries


def test_a_key_is_met_once(ledger: Ledger) -> None:
    assert ledger.meet(Ref("a", "1", 1))
    assert not ledger.meet(Ref("a", "2", 1))
    assert not ledger.meet(entry("a", DocumentReason.SYMLINK))
    # A name that is no text is only shown as one.
    assert ledger.meet(entry("a\\xff", DocumentReason.NAME_NOT_UTF8))
    assert ledger.meet(entry("a\\xff"))
    assert [found.version for found in ledger.open_documents()] == ["1", "v", "v"]


def test_a_document_takes_one_verdict(ledger: Ledger) -> None:
    for key in ("a", "b"):
        ledger.meet(entry(key))
    ledger.settle(document("a"), Verdict.INDEXED)
    with pytest.raises(RuntimeError, match="judged twice"):
        ledger.settle(document("a"), Verdict.SKIPPED)
    with pytest.raises(RuntimeError, match="never met"):
        ledger.settle(document("c"), Verdict.SKIPPED)
    assert ledger.unsettled() == 1


def test_documents_may_be_settled_while_they_are_read(ledger: Ledger) -> None:
    keys = [f"{n}.txt" for n in range(2_500)]
    for key in keys:
        ledger.meet(entry(key))
    seen = []
    for found in ledger.open_documents():
        seen.append(found.key)
        ledger.settle(found, Verdict.INDEXED)
    assert seen == keys
    assert list(ledger.open_documents()) == []


def test_a_document_that_was_lost_is_judged_again(ledger: Ledger) -> None:
    for key in ("whole", "lost", "skipped"):
        ledger.meet(entry(key))
    ledger.settle(document("whole"), Verdict.UNCHANGED)
    ledger.settle(document("lost"), Verdict.INDEXED)
    ledger.settle(document("skipped"), Verdict.SKIPPED)
    ledger.load_chunk_counts({document_sha("whole"): 2})
    assert ledger.disagreeing() == 1
    ledger.reopen_lost()
    assert [found.key for found in ledger.open_documents()] == ["lost"]
    ledger.settle(document("lost"), Verdict.INDEXED)
    ledger.load_chunk_counts({document_sha("lost"): 1})
    assert ledger.disagreeing() == 0
    ledger.load_chunk_counts({document_sha("skipped"): 1})
    assert ledger.disagreeing() == 1, "someone has written a document that is skipped"


def test_orphans_are_what_a_run_from_nothing_would_not_have(ledger: Ledger) -> None:
    keys = ["whole", "tail", "broken", "kept"]
    for key in keys:
        ledger.meet(entry(key))
    ledger.meet(entry("too large", DocumentReason.TOO_LARGE))
    ledger.load_chunk_counts({document_sha("whole"): 2, document_sha("tail"): 1})
    ledger.load_chunk_counts({document_sha("broken"): 3})
    ledger.load_chunk_counts({document_sha("broken"): None})  # lost a record meanwhile
    assert [found.is_whole for found in ledger.open_documents()] == [
        True,
        True,
        False,
        False,
        False,
    ]
    for key, verdict in zip(keys, ["unchanged", "indexed", "failed", "kept"], strict=True):
        ledger.settle(document(key), Verdict(verdict))
    stand = [("whole", 0), ("whole", 1), ("tail", 0), ("kept", 0), ("kept", 1)]
    left = [("tail", 1), ("tail", 2), ("broken", 0), ("broken", 2), ("too large", 0), ("gone", 0)]
    ledger.load_ids(record_id(document_sha(key), n) for key, n in (*stand, *left))
    found = {id_: one.is_gone for one in ledger.orphans() for id_ in one.ids}
    expected = {record_id(document_sha(k), n): k in ("too large", "gone") for k, n in left}
    assert found == expected
    assert (ledger.whole(), ledger.records()) == (2, 3)
    assert (ledger.removed(), ledger.stand()) == (3, 6)


def test_the_orphans_of_one_document_come_in_parts(ledger: Ledger) -> None:
    ledger.load_ids(record_id(document_sha("huge"), n) for n in range(2_500))
    parts = [len(orphan.ids) for orphan in ledger.orphans()]
    assert parts == [1_000, 1_000, 500]


def test_records_with_foreign_ids_are_left_alone(ledger: Ledger) -> None:
    ledger.load_ids(["by hand", "zz-1", "abcd-x", f"{document_sha('a')}-01"])
    assert list(ledger.orphans()) == []


def judged(ledger: Ledger, verdicts: dict[str, str]) -> None:
    for key, verdict in verdicts.items():
        ledger.meet(entry(key))
        ledger.settle(document(key), Verdict(verdict))


VERDICTS = {"a": "indexed", "b": "unchanged", "c": "skipped", "d": "failed", "e": "kept"}


def test_a_seal_is_short_and_tells_no_order(tmp_path: Path, ledger: Ledger) -> None:
    judged(ledger, VERDICTS)
    other = Ledger(tmp_path / "other.sqlite")
    judged(other, dict(reversed(VERDICTS.items())))
    assert str(sealed(ledger)) == str(sealed(other))
    other.close()
    assert len(str(sealed(ledger))) <= SEAL_MAX
    most = Tally(10**9, 2**64 - 1)
    assert len(str(Seal(most, most, most, refused=10**9))) <= SEAL_MAX
    assert Seal.parse(str(sealed(ledger))) == sealed(ledger)
    assert (sealed(ledger).met.count, sealed(ledger).stand.count, sealed(ledger).kept.count) == (
        *(5, 2, 1),
    )
    for text in ("", "1.2", "x.y.z.1.2.3.4", "1.2.3.4.5.6.7.8"):
        assert Seal.parse(text) is None


@pytest.mark.parametrize("stood", ["e", "de", ""])
def test_what_a_seal_tells_is_taken_over(tmp_path: Path, ledger: Ledger, stood: str) -> None:
    """`stood`: of which something stands. With "de" nobody knows which of them was kept."""
    judged(ledger, VERDICTS)
    finish = Ledger(tmp_path / "finish.sqlite")
    for key in VERDICTS:
        finish.meet(entry(key))
    finish.load_chunk_counts({document_sha(key): 1 for key in "ab"})
    pages = [[record_id(document_sha(key), 0) for key in f"ab{stood}"]]
    accept(finish, [sealed(ledger)], lambda: pages)
    left = {found.key for found in finish.open_documents()}
    assert left == {"a", "b"} | ({*stood} if stood != "e" else set())
    finish.close()


def test_a_seal_that_does_not_agree_tells_nothing(tmp_path: Path, ledger: Ledger) -> None:
    judged(ledger, VERDICTS)
    for whole, listed in (("a", "abcde"), ("abc", "abcde"), ("ab", "abcd"), ("ab", "abcdef")):
        finish = Ledger(tmp_path / "finish.sqlite")
        for key in listed:
            finish.meet(entry(key))
        finish.load_chunk_counts({document_sha(key): 1 for key in whole})
        accept(finish, [sealed(ledger)], list)
        assert finish.unsettled() == len(listed)
        finish.close()


def test_what_is_kept_and_whole_counts_once(tmp_path: Path, ledger: Ledger) -> None:
    """A document that would be skipped, in doubt, may stand just as it is now."""
    judged(ledger, {"a": "kept", "b": "kept"})
    ledger.load_chunk_counts({document_sha("a"): 1})
    ledger.load_ids([record_id(document_sha(key), 0) for key in ("a", "b", "gone")])
    assert (ledger.removed(), ledger.stand()) == (1, 3)
    finish = Ledger(tmp_path / "finish.sqlite")
    for key in "ab":
        finish.meet(entry(key))
    finish.load_chunk_counts({document_sha("a"): 1})
    accept(finish, [sealed(ledger)], lambda: [[record_id(document_sha("b"), 0)]])
    assert [found.key for found in finish.open_documents()] == ["a"]
    finish.close()
