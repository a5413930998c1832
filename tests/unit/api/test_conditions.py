from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from chroma_sync.api import conditions
from chroma_sync.api.conditions import MESSAGE_MAX, READY, RECONCILING, STALLED, Condition, Status
from chroma_sync.api.reasons import Reason

BEFORE = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
NOW = BEFORE + timedelta(minutes=5)


def made(
    kind: str, status: Status, now: datetime, *, message: str = "", generation: int = 1
) -> Condition:
    return conditions.condition(
        kind, status, Reason.CHECKING, message, generation=generation, now=now
    )


def test_times_are_written_in_utc() -> None:
    moment = datetime(2026, 1, 31, 1, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert conditions.timestamp(moment) == "2026-01-30T23:00:00Z"


def test_the_transition_time_moves_with_the_status() -> None:
    old = [made(READY, "Unknown", BEFORE)]
    [new] = conditions.merge(old, [made(READY, "True", NOW, generation=2)])
    assert new == made(READY, "True", NOW, generation=2)


def test_the_transition_time_stays_with_the_status() -> None:
    old = [made(READY, "True", BEFORE)]
    [new] = conditions.merge(old, [made(READY, "True", NOW, message="x", generation=2)])
    assert new == made(READY, "True", BEFORE, message="x", generation=2)
    assert old == [made(READY, "True", BEFORE)]


def test_only_the_new_conditions_stand_in_their_order() -> None:
    old = [made(READY, "False", BEFORE), made(RECONCILING, "True", BEFORE)]
    new = [made(STALLED, "True", NOW), made(READY, "False", NOW)]
    assert conditions.merge(old, new) == [made(STALLED, "True", NOW), made(READY, "False", BEFORE)]


def test_find() -> None:
    old = [made(READY, "False", BEFORE)]
    assert conditions.find(old, READY) is old[0]
    assert conditions.find(old, STALLED) is None


def test_a_long_message_is_cut() -> None:
    message = made(READY, "True", NOW, message="ü" * (MESSAGE_MAX + 1)).message
    assert len(message) == MESSAGE_MAX
    assert message.endswith("ü…")


def test_a_status_is_one_of_three() -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(made(READY, "True", NOW).model_dump() | {"status": "true"})
