"""The laws that the status of every Source and Invocation obeys, whatever state it is in.

One checker for all tests: unit tests pass what reconcile returns, cluster tests what the API server
holds. Source of the rules: the table of states in `chroma_sync.reconcile.conditions`, and kstatus.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chroma_sync.api.reasons import Reason

SUMMARY = {"Source": "Ready", "Invocation": "Succeeded"}
# (kind, status of the summary) -> the allowed (Reconciling, Stalled).
STATES = {
    ("Source", "Unknown"): {(True, False)},
    ("Source", "False"): {(True, False), (False, True)},
    ("Source", "True"): {(False, False)},
    ("Invocation", "Unknown"): {(True, False), (False, True)},
    ("Invocation", "False"): {(False, True), (False, False)},
    ("Invocation", "True"): {(False, False)},
}
REASONS_OF_SUCCESS = {
    "Source": {Reason.AVAILABLE},
    "Invocation": {Reason.COMPLETE, Reason.COMPLETE_WITH_FAILURES},
}


def check(obj: dict[str, Any]) -> None:
    """Raise AssertionError if the object, as JSON, breaks a law. An object whose status was never
    written obeys them."""
    kind, status = obj["kind"], obj.get("status") or {}
    generation = obj["metadata"].get("generation", 0)
    if not status.get("conditions"):
        assert status.get("observedGeneration", -1) == -1, "observed, but nothing said"
        return
    assert status["observedGeneration"] <= generation, "a generation that does not exist yet"
    conditions = {c["type"]: c for c in status["conditions"]}
    assert len(conditions) == len(status["conditions"]), "two conditions of one type"
    assert set(conditions) <= {SUMMARY[kind], "Reconciling", "Stalled"}, set(conditions)
    summary = conditions[SUMMARY[kind]]
    _check_state(kind, conditions, summary)
    for condition in conditions.values():
        _check_condition(condition, status["observedGeneration"])
        assert condition["reason"] == summary["reason"], "the conditions give different reasons"
        assert condition["message"] == summary["message"], "the conditions give different messages"
    if kind == "Invocation":
        _check_invocation(status, summary)
    else:
        _check_source(status, summary, stalled="Stalled" in conditions)


def check_step(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raise AssertionError if a status may not follow the other, of the same object."""
    check(after)
    old = {c["type"]: c for c in (before.get("status") or {}).get("conditions", [])}
    for condition in after["status"]["conditions"]:
        previous = old.get(condition["type"])
        if previous is not None and previous["status"] == condition["status"]:
            kept = previous["lastTransitionTime"] == condition["lastTransitionTime"]
            assert kept, "the transition time moved without a transition"
    if after["kind"] == "Invocation" and old.get("Succeeded", {}).get("status", "Unknown") != (
        "Unknown"
    ):
        now = {c["type"]: c for c in after["status"]["conditions"]}
        for type_, condition in old.items():
            for field in ("status", "reason", "message"):
                assert now[type_][field] == condition[field], "a finished run changed its mind"


def _check_state(kind: str, conditions: dict[str, Any], summary: dict[str, Any]) -> None:
    for pair in ("Reconciling", "Stalled"):
        assert conditions.get(pair, {"status": "True"})["status"] == "True", f"{pair} is not True"
    found = ("Reconciling" in conditions, "Stalled" in conditions)
    assert found in STATES[kind, summary["status"]], (summary, found)
    if kind == "Invocation" and summary["status"] == "Unknown":
        held = summary["reason"] in (Reason.INVALID_SPEC, Reason.NEWER_RELEASE)
        assert found == (not held, held), "Reconciling, unless it is not understood"
    if kind == "Invocation" and summary["status"] == "False":
        cancelled = summary["reason"] == Reason.CANCELLED
        assert found == (False, not cancelled), "Stalled, unless it was cancelled"
    success = summary["status"] == "True"
    assert (summary["reason"] in REASONS_OF_SUCCESS[kind]) == success, summary


def _check_condition(condition: dict[str, Any], observed: int) -> None:
    assert condition["observedGeneration"] == observed, "generations differ"
    assert condition["reason"] in set(Reason), f"{condition['reason']} is not in the closed list"
    assert condition["message"], "no message"
    assert len(condition["message"]) <= 4096, "the message is too long"
    moment = datetime.fromisoformat(condition["lastTransitionTime"])
    assert moment.utcoffset() is not None, "a time without a zone"


def _check_invocation(status: dict[str, Any], summary: dict[str, Any]) -> None:
    finished = summary["status"] != "Unknown"
    assert ("completionTime" in status) == finished, "completionTime goes with the end"
    assert ("startTime" in status) == ("configuration" in status), (
        "the configuration is fixed when the run begins"
    )
    if summary["status"] == "True":
        assert "startTime" in status, "a success that never began"
        documents = status.get("documents", {})
        failed = documents.get("failed", 0) + documents.get("kept", 0)
        with_failures = summary["reason"] == Reason.COMPLETE_WITH_FAILURES
        assert with_failures == (failed > 0), "CompleteWithFailures means failed documents"


def _check_source(status: dict[str, Any], summary: dict[str, Any], *, stalled: bool) -> None:
    if summary["status"] == "True":
        assert status["check"].get("attempts", 0) == 0, "usable, but the last check failed"
    if stalled:
        assert "check" not in status, "needs a person, but is being checked"
