"""Which namespaces are watched: one that is gone costs itself."""

from __future__ import annotations

import asyncio
import logging

import pytest

from chroma_sync.cluster.errors import ClusterError
from chroma_sync.controller.http import Health
from chroma_sync.controller.namespaces import RightsChangedError, follow, permitted
from unit.controller import virtual_time

LISTED = ["team-a", "team-b"]
DOWN = ClusterError(0, "no answer")


class Rights:
    """Each look at all namespaces gives the next answer, in the end the last one again."""

    def __init__(self, *answers: set[str] | ClusterError) -> None:
        self._answers = list(answers)
        self.looks = 0
        self.asked: list[str] = []

    async def may_list(self, namespace: str) -> bool:
        self.asked.append(namespace)
        if namespace == LISTED[0]:
            self.looks += 1
        answer = self._answers[min(max(self.looks, 1), len(self._answers)) - 1]
        if isinstance(answer, ClusterError):
            raise answer
        return namespace in answer


def test_all_are_watched_where_none_is_listed() -> None:
    rights = Rights(set())
    assert asyncio.run(permitted(rights, [], Health())) == []
    assert rights.asked == []


def test_a_namespace_without_rights_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert asyncio.run(permitted(Rights({"team-b"}), LISTED, Health())) == ["team-b"]
    (record,) = caplog.records
    assert "team-a" in record.getMessage()
    assert "team-b" not in record.getMessage()


def test_without_any_rights_it_waits_and_never_watches_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health = Health()
    rights = Rights(set(), DOWN, set(), {"team-a", "team-b"})
    with caplog.at_level(logging.WARNING):
        found = virtual_time.run(permitted(rights, LISTED, health))
    assert found == LISTED
    assert "team-a, team-b" in health.waits_for
    assert [r.getMessage().partition(":")[0] for r in caplog.records] == [
        "not watched, for the operator has no rights there",
        "the API server could not be asked for the operator's rights",
    ]


@pytest.mark.parametrize(
    ("answers", "watched", "words"),
    [
        ([{"team-a", "team-b"}, DOWN, {"team-b"}], LISTED, "team-a can't be watched any more"),
        ([{"team-a"}, {"team-a"}, {"team-a", "team-b"}], ["team-a"], "team-b can be watched now"),
    ],
)
def test_other_rights_end_the_process_and_an_outage_does_not(
    answers: list[set[str] | ClusterError], watched: list[str], words: str
) -> None:
    rights = Rights(*answers)
    with pytest.raises(RightsChangedError, match=words):
        virtual_time.run(follow(rights, LISTED, watched))
    assert rights.looks == 3
