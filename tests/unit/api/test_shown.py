"""Text of others is made fit to be shown."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime

import pytest

from chroma_sync.api.conditions import condition
from chroma_sync.api.invocation import Failure
from chroma_sync.api.reasons import Reason
from chroma_sync.api.shown import json_line, visible

EVERYTHING = [chr(i) for i in range(0x110000)]
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = {"\u200c", "\u200d"}


def test_no_character_that_is_hidden_or_controls_is_left() -> None:
    left = {c for c in EVERYTHING if unicodedata.category(c) in HIDDEN and visible(c) == c}
    assert left == JOINERS


def test_what_can_be_seen_stays() -> None:
    for text in ("Grüße", "日本語", "👩‍🚀", "a\u0301", " b ", r"C:\new", "क्‍ष"):
        assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31m", r"a\x1b[31m"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b2J", r"\x9b2J"),
        ("txt.\u202efdp", r"txt.\u202efdp"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
    ],
)
def test_it_is_written_as_python_writes_it(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown, "what is shown already is not shown otherwise"


def test_what_is_kept() -> None:
    assert visible("a\n\tb\x07", keep="\n\t") == "a\n\tb\\x07"


def test_a_line_of_json_hides_nothing_and_loses_nothing() -> None:
    text = "".join(c for c in EVERYTHING if unicodedata.category(c) != "Cs")
    line = json_line({text: text})
    assert json.loads(line) == {text: text}
    assert {c for c in line if unicodedata.category(c) in HIDDEN} == JOINERS


def test_conditions_and_failures_are_shown_so() -> None:
    now = datetime.now(UTC)
    told = condition("Ready", "False", Reason.PENDING, "a\x1bb\nc", generation=1, now=now)
    assert told.message == r"a\x1bb\nc"
    failure = Failure(document="a\nb" * 1000, reason="x", message="\x07")
    assert failure.message == r"\x07"
    assert failure.document.startswith(r"a\nba\nb")
    assert len(failure.document) == 1024
