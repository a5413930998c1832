"""Which records are to blame for that a write is refused, and in what pieces a server is written
to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.index.calls import Refused
from chroma_sync.pipeline.index.records import Record, id_parts, record_id
from chroma_sync.pipeline.index.writes import PIECE_BYTES, Writes, weight


def record(name: str, size: int = 10) -> Record:
    return Record(name, "x" * size, {}, np.zeros(2, np.float32), in_place=False)


class Server:
    """Takes what `takes` takes. HostRetries does not help where it takes it not."""

    def __init__(self, takes: Callable[[Sequence[Record]], bool], too_large: bool = False) -> None:
        self.takes = takes
        self.too_large = too_large
        self.asked: list[list[str]] = []
        self.stands: dict[str, Record] = {}

    def send(self, records: Sequence[Record]) -> None:
        self.asked.append([r.id for r in records])
        if not self.takes(records):
            raise Refused("no", too_large=self.too_large)
        self.stands |= {r.id: r for r in records}

    def send_with_control(self, records: Sequence[Record]) -> None:
        try:
            self.send(records)
        except Refused as error:
            raise Temporary(Reason.CHROMA_UNAVAILABLE, str(error)) from None

    def writes(self) -> Writes:
        return Writes(self.send, self.send_with_control)


def all_but(*bad: str) -> Callable[[Sequence[Record]], bool]:
    return lambda records: not any(r.id in bad for r in records)


ALPHABET = [record(letter) for letter in "abcdefghij"]


def test_what_is_taken_is_sent_once() -> None:
    server = Server(lambda _: True)
    assert server.writes().put(ALPHABET) == []
    assert server.asked == [list("abcdefghij")]


def test_the_records_to_blame_are_found_and_all_others_stand() -> None:
    server = Server(all_but("c", "h"))
    refused = server.writes().put(ALPHABET)
    assert [(one.record.id, one.why) for one in refused] == [("c", "no"), ("h", "no")]
    assert sorted(server.stands) == list("abdefgij")


def test_a_verdict_is_given_after_a_good_write_and_a_second_refusal() -> None:
    server = Server(all_but("b"))
    writes = server.writes()
    assert writes.put([record("a")]) == []
    [refused] = writes.put([record("b")])
    assert refused.record.id == "b"
    assert server.asked == [["a"], ["b"], ["a"], ["b"]]


def test_a_control_goes_the_way_of_the_record_that_is_refused() -> None:
    ways: list[bool] = []

    def takes(records: Sequence[Record]) -> bool:
        ways.append(records[0].in_place)
        return records[0].id == "a"

    writes = Server(takes).writes()
    writes.put([record("a")])
    [refused] = writes.put([replace(record("b"), in_place=True)])
    assert refused.record.id == "b"
    assert ways == [False, True, True, True]


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("count", [1, 10])
def test_a_server_that_refuses_all_blames_nobody(before: int, count: int) -> None:
    server = Server(lambda _: True)
    writes = server.writes()
    writes.put(ALPHABET[:before])
    server.takes = lambda _: False
    with pytest.raises(Temporary):
        writes.put(ALPHABET[:count])
    assert len(server.asked) <= (4 if before else 2 * count + 3), "no storm of questions"


def test_the_very_first_record_may_be_to_blame() -> None:
    first = replace(record("a"), id=record_id("0" * 64, 0))
    server = Server(all_but(first.id))
    [refused] = server.writes().put([first])
    assert refused.record == first
    [control] = server.stands.values()
    assert id_parts(control.id) == ("0" * 64, 9_999_999_999)


@pytest.mark.parametrize("at", range(4))
def test_one_odd_refusal_costs_nothing(at: int) -> None:
    server = Server(lambda _: len(server.asked) != at + 1)
    writes = server.writes()
    assert writes.put(ALPHABET[:1]) == []
    assert writes.put(ALPHABET) == []
    assert set(server.stands) >= set("abcdefghij")


def test_pieces_are_bounded_by_bytes() -> None:
    server = Server(lambda _: True)
    large = [record(str(n), PIECE_BYTES // 3) for n in range(9)]
    assert server.writes().put(large) == []
    assert [len(ids) for ids in server.asked] == [3, 3, 3]


def test_a_server_that_takes_less_is_asked_for_less_from_then_on() -> None:
    def takes(records: Sequence[Record]) -> bool:
        return sum(map(weight, records)) <= 1_000_000

    server = Server(takes, too_large=True)
    writes = server.writes()
    batch = [record(str(n), 20_000) for n in range(300)]
    assert writes.put(batch) == []
    assert len(server.stands) == 300
    server.asked.clear()
    assert writes.put(batch) == []
    assert sum(map(len, server.asked)) == 300, "nothing is refused any more"


def test_a_record_that_is_too_large_is_to_blame() -> None:
    server = Server(lambda records: sum(map(weight, records)) <= 1_000, too_large=True)
    [refused] = server.writes().put([*ALPHABET, record("large", 2_000)])
    assert refused.record.id == "large"
    assert sorted(server.stands) == list("abcdefghij")
