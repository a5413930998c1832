"""Which refusals of the API server are for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chroma_sync.cluster.errors import ClusterError, InvalidError, WrongFieldsError
from chroma_sync.cluster.rest import _error

FIELD = {"reason": "FieldValueInvalid", "message": "Invalid value", "field": "spec.template"}


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        (422, {"causes": [FIELD]}, WrongFieldsError),
        # What a ValidatingAdmissionPolicy says, which a person may change any time.
        (422, {"causes": [{"message": "no GPU on Fridays"}]}, InvalidError),
        (422, None, InvalidError),
        (403, {"causes": [FIELD]}, InvalidError),
        (400, None, InvalidError),
        (500, {"causes": [FIELD]}, ClusterError),
    ],
)
def test_wrong_fields_are_told_from_a_policy(
    status: int, details: Any, kind: type[ClusterError]
) -> None:
    body = {"kind": "Status", "message": "what is wrong", "details": details}
    error = _error(status, "POST /jobs", json.dumps(body).encode())
    assert type(error) is kind
    assert str(error) == f"POST /jobs: {status} what is wrong"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"null", b'{"details": null}'])
def test_a_proxys_page_is_no_refusal_for_ever(body: bytes) -> None:
    assert type(_error(422, "POST /jobs", body)) is InvalidError
