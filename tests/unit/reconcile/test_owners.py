"""Who owns what: what is written is read again, and what nobody of ours can be is nobody."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_sync.reconcile.owners import NOBODY, Owner, Reference, controller_of
from unit.reconcile.build import invocation, source

OURS = ("Source", "Invocation")
RUN = Owner.of(invocation()).reference


def test_what_is_written_is_read_again() -> None:
    for obj in (source(), invocation()):
        metadata = {"ownerReferences": [Owner.of(obj).reference]}
        expected = Reference(obj.kind, obj.metadata.name, obj.metadata.uid or "")
        assert controller_of(metadata, *OURS) == expected


def test_an_owner_is_found_by_its_uid_and_its_source() -> None:
    uid = {"chromasync.dev/invocation-uid": "run-uid"}
    assert Owner.of(invocation()).labels == {"chromasync.dev/source": "docs", **uid}
    assert Owner.of(source()).labels["chromasync.dev/source-uid"] == "source-uid"


@pytest.mark.parametrize(
    "references",
    [
        None,
        [],
        [{**RUN, "controller": False}],
        [{**RUN, "apiVersion": "evil.test/v1"}],
        [{**RUN, "kind": "Job"}],
        [{**RUN, "kind": "Pod"}],
        [{**RUN, "name": "../../team-b/invocations/victim"}],
        [{**RUN, "name": None}],
        [{**RUN, "uid": ""}],
        [{"controller": True}],
    ],
)
def test_what_is_none_of_ours(references: Any) -> None:
    assert controller_of({"ownerReferences": references}, *OURS) == NOBODY


def test_only_the_controller_counts() -> None:
    other = {**RUN, "uid": "other", "controller": False}
    found = controller_of({"ownerReferences": [other, RUN]}, *OURS)
    assert found.uid == "run-uid"


def test_only_kinds_that_are_asked_for_count() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": True}
    assert controller_of({"ownerReferences": [job]}, "Job") == Reference("Job", "j", "u")
    assert controller_of({"ownerReferences": [RUN]}, "Job") == NOBODY
