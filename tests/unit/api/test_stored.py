"""Objects, configurations and results of other releases are read, and never emptied of what they
hold."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from chroma_sync.api import crd, stored
from chroma_sync.api.configuration import (
    Configuration,
    NewerConfigurationError,
    read,
    unknown_features,
)
from chroma_sync.api.contract import Result, decode_result
from chroma_sync.api.invocation import Invocation, InvocationStatus
from chroma_sync.api.load import InvalidObject, load_objects
from chroma_sync.api.source import Source, SourceStatus
from chroma_sync.api.stored import UnreadableStatusError
from unit.api.golden import RELEASES, golden

# What the CRD of the made-up release has more than ours.
NEXT_FIELDS: dict[str, Any] = {
    "github": {"submodules": {"type": "boolean", "default": False}},
    "spec": {
        "retries": {
            "type": "object",
            "default": {},
            "properties": {
                "limit": {"type": "integer", "default": 3},
                "backoff": {
                    "type": "object",
                    "default": {},
                    "properties": {"seconds": {"type": "integer", "default": 10}},
                },
            },
        },
        "engine": {"type": "string"},
        "priority": {"type": "integer", "default": 0},
    },
}


@cache
def next_schema(kind: type[Source] | type[Invocation]) -> dict[str, Any]:
    """The schema that a kind has in the CRDs of the made-up release."""
    schema = crd.schema(kind)
    spec = schema["properties"]["spec"]["properties"]
    spec["github"]["properties"] |= NEXT_FIELDS["github"]
    spec |= NEXT_FIELDS["spec"]
    return schema


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_read(release: str) -> None:
    source = stored.source(golden(release, "source"), next_schema(Source))
    assert source.not_understood == ""
    assert source.spec.chunking.max_lines == 20
    assert source.status.active_invocation is not None
    run = stored.invocation(golden(release, "invocation"), next_schema(Invocation))
    assert run.not_understood == ""
    assert run.status.documents.indexed == 2
    assert run.status.start_time is not None
    configuration = read(golden(release, "configuration"))
    assert (configuration.job_template.parallelism, unknown_features(configuration)) == (2, "")
    result = decode_result(json.dumps(golden(release, "result")))
    assert result is not None
    assert (result.documents.failed, result.chunks.written, len(result.failures)) == (1, 9, 1)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Source, "source"),
        (Invocation, "invocation"),
        (Configuration, "configuration"),
        (Result, "result"),
    ],
)
def test_no_field_of_a_release_is_taken_away(model: Any, name: str) -> None:
    model.model_validate(golden("v0.1.0", name))
    with pytest.raises(ValidationError, match="extra_forbidden"):
        model.model_validate(golden("next", name))


def test_people_get_an_error_for_what_a_cluster_may_hold() -> None:
    document = {k: v for k, v in golden("next", "source").items() if k != "status"}
    with pytest.raises(InvalidObject) as caught:
        load_objects(json.dumps(document), "file.yaml")
    assert any("spec.github.submodules: no such field" in p for p in caught.value.problems)


def test_a_newer_field_is_understood_at_its_default_alone() -> None:
    raw, schema = golden("next", "source"), next_schema(Source)
    raw["spec"]["github"]["submodules"] = True
    assert stored.source(raw, schema).not_understood == (
        "spec.github.submodules: this release of the operator does not know the field. Leave it "
        "out, or upgrade the operator."
    )
    raw = golden("next", "source")
    raw["spec"]["retries"]["backoff"]["seconds"] = 11
    assert "spec.retries: this release" in stored.source(raw, schema).not_understood
    raw = golden("next", "source")
    raw["spec"]["engine"] = "fast"
    assert "spec.engine: this release" in stored.source(raw, schema).not_understood
    # Who does not know the defaults can't tell.
    assert "spec.retries: this release" in stored.source(golden("next", "source")).not_understood


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            ("jobTemplate", "scratchSize"),
            "5 GB",
            "spec.jobTemplate.scratchSize: must be a quantity as Kubernetes writes them, such as "
            "500m, 2 or 4Gi.",
        ),
        (
            ("concurrencyPolicy",),
            "Forbid",
            "spec.concurrencyPolicy: must be one of 'Queue' or 'Replace'.",
        ),
        (("github", "includeGlobs"), [], "spec.github.includeGlobs: must have at least 1 items."),
    ],
)
def test_a_spec_that_only_we_refuse_says_what_a_laptop_says(
    place: tuple[str, ...], value: Any, sentence: str
) -> None:
    raw = golden("v0.1.0", "source")
    *parents, last = ("spec", *place)
    inner: Any = raw
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    source = stored.source(raw)
    assert source.not_understood == sentence
    assert source.metadata.name == "docs"
    assert source.status.active_invocation is not None
    with pytest.raises(InvalidObject) as caught:
        load_objects(json.dumps({k: v for k, v in raw.items() if k != "status"}), "f")
    assert caught.value.problems == [f"Source/docs: {sentence}"]


def test_of_an_invocation_that_can_not_be_read_the_wish_to_cancel_is() -> None:
    raw = golden("v0.1.0", "invocation")
    raw["spec"] |= {"targetPolicy": "Replace", "cancel": True}
    run = stored.invocation(raw)
    assert run.not_understood == "spec.targetPolicy: must be one of 'Create' or 'Update'."
    assert (run.spec.source_ref.name, run.spec.cancel) == ("docs", True)
    assert run.spec.ttl_seconds_after_finished is None
    assert not stored.is_readable(Invocation, raw)
    assert stored.is_readable(Invocation, golden("next", "invocation"))


def test_what_of_a_status_is_not_known_is_no_part_of_what_is_patched() -> None:
    status = golden("next", "invocation")["status"]
    known = stored.known_status(InvocationStatus, copy.deepcopy(status))
    InvocationStatus.model_validate(known)
    assert "phase" not in known
    assert known["documents"].keys() == status["documents"].keys() - {"queued"}
    assert known["failures"][0].keys() == {"document", "reason", "message"}
    assert known["conditions"][1] == status["conditions"][1]
    # Nobody reads all of it in this release, so it is passed on as it is.
    assert known["configuration"] == status["configuration"]


def test_what_can_not_be_read_of_a_status_is_left_alone() -> None:
    status = golden("v0.1.0", "invocation")["status"] | {"bytes": "12 kB", "failures": [{}] * 30}
    assert stored.known_status(InvocationStatus, status).keys() == status.keys() - {
        *("bytes", "failures")
    }


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (InvocationStatus, "conditions", [{"type": "Succeeded", "status": "Perhaps"}]),
        (InvocationStatus, "startTime", 1_700_000_000),
        (SourceStatus, "activeInvocation", [{"name": "first"}]),
    ],
)
def test_a_status_without_which_a_run_might_begin_twice_must_be_read(
    model: Any, field: str, value: Any
) -> None:
    with pytest.raises(UnreadableStatusError, match=rf"^status\.{field}: "):
        stored.known_status(model, {field: value})


def test_a_configuration_says_what_must_be_known() -> None:
    document = golden("next", "configuration") | {"requires": ["submodules", "priority"]}
    assert unknown_features(read(document)) == "priority, submodules"
    with pytest.raises(NewerConfigurationError, match=r"chunking\.type"):
        read(document | {"chunking": {"type": "semantic"}})
    with pytest.raises(NewerConfigurationError):
        read(None)
