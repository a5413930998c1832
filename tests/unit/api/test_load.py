from __future__ import annotations

import re

import pytest

from chroma_sync.api.kinds.origin import names
from chroma_sync.api.load import TEXT_BYTES_MAX, InvalidObject, load_objects
from chroma_sync.api.source import Source

SOURCE = """
apiVersion: chromasync.dev/v1alpha1
kind: Source
metadata: {name: shop, namespace: team, labels: {a: b}, annotations: {x: y}}
spec:
  github: {repository: acme/shop}
"""
RUN = """
apiVersion: chromasync.dev/v1alpha1
kind: Invocation
metadata: {name: run}
spec:
  sourceRef: {name: shop}
  targetCollectionName: shop
"""


def refused(text: str) -> list[str]:
    with pytest.raises(InvalidObject) as caught:
        load_objects(text, "file.yaml")
    return caught.value.problems


def test_many_documents_come_in_their_order() -> None:
    objects = load_objects(f"{SOURCE}---\n---\n# nothing\n---{RUN}", "file.yaml")
    assert [(o.kind, o.metadata.namespace, o.metadata.name) for o in objects] == [
        ("Source", "team", "shop"),
        ("Invocation", "default", "run"),
    ]


SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: team, creationTimestamp: null}
type: Opaque
"""


def test_a_secret_is_read_as_the_api_server_reads_it() -> None:
    fields = "data: {token: aG9wcGVyLTE=, username: cm9ib3Q=}\nstringData: {token: hopper-2}\n"
    [secret] = load_objects(SECRET + fields, "file.yaml")
    assert secret.kind == "Secret"
    assert secret.values() == {"token": b"hopper-2", "username": b"robot"}
    assert "hopper" not in repr(secret) and "aG9wcGVy" not in repr(secret)


def test_a_broken_secret_is_not_shown() -> None:
    [problem] = refused(f"{SECRET}data: {{token: canary-1}}\n")
    assert problem.startswith("Secret/login: data.token: must be base64")
    assert "canary" not in problem
    [problem] = refused(f"{SECRET}stringData: {{token: [canary]}}\n")
    assert "stringData.token" in problem and "canary" not in problem


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment\n"])
def test_nothing_is_no_object(text: str) -> None:
    assert load_objects(text, "file.yaml") == []


def test_a_null_stands_for_a_field_that_is_left_out() -> None:
    [source] = load_objects(f"{SOURCE}  databaseName:\n  chroma: null\n", "file.yaml")
    assert source == load_objects(SOURCE, "file.yaml")[0]


def test_status_is_read_and_left_alone() -> None:
    [source] = load_objects(f"{SOURCE}status: {{observedGeneration: 4}}\n", "file.yaml")
    assert source.kind == "Source"
    assert source.status.observed_generation == 4


def test_what_looks_like_a_date_is_a_string() -> None:
    [run] = load_objects(RUN + "  github: {refIdentifier: {branch: 2026-01-31}}\n", "file.yaml")
    assert run.kind == "Invocation"
    assert run.spec.github is not None
    assert run.spec.github.ref_identifier is not None
    assert run.spec.github.ref_identifier.branch == "2026-01-31"


@pytest.mark.parametrize("sha", ["1234567", "1234e10", "12345678e1", "0899123"])
def test_what_looks_like_a_number_must_stand_in_quotes(sha: str) -> None:
    text = RUN + "  github: {refIdentifier: {sha: %s}}\n"
    assert refused(text % sha) == [
        "Invocation/run: spec.github.refIdentifier.sha: must be a string. Put it in quotes."
    ]


@pytest.mark.parametrize("sha", ["4b825dc", "1234e1f", "e123456"])
def test_what_does_not_look_like_a_number_needs_no_quotes(sha: str) -> None:
    [run] = load_objects(RUN + f"  github: {{refIdentifier: {{sha: {sha}}}}}\n", "file.yaml")
    assert run.kind == "Invocation"
    assert run.spec.github is not None
    assert run.spec.github.ref_identifier is not None
    assert run.spec.github.ref_identifier.sha == sha


def test_all_problems_of_all_objects_are_told() -> None:
    text = SOURCE.replace("acme/shop", "shop") + "  suspend: 3\n---" + RUN.replace("shop", "S")
    assert [p.split(": ")[:2] for p in refused(text)] == [
        ["Source/shop", "spec.github.repository"],
        ["Source/shop", "spec.suspend"],
        ["Invocation/run", "spec.sourceRef.name"],
        ["Invocation/run", "spec.targetCollectionName"],
    ]


def test_two_kinds_in_one_source_are_told_alone() -> None:
    """What is wrong within the one that has to go is no matter."""
    both = SOURCE + "  s3: {bucketName: x}\n"
    only = f"Source/shop: spec: exactly one of {names('and')} must be set in spec."
    assert refused(both) == [only]
    nothing = load_objects(SOURCE + "  s3: null\n", "x.yaml")
    assert isinstance(nothing[0], Source) and nothing[0].spec.s3 is None


def test_an_object_that_stands_twice() -> None:
    [problem] = refused(f"{SOURCE}---{SOURCE}")
    assert problem.startswith("Source/shop: metadata.name: stands twice")


def test_a_key_that_stands_twice() -> None:
    [problem] = refused(f"{SOURCE}  suspend: true\n  suspend: false\n")
    assert problem == (
        "line 8, column 3: not good YAML: the key 'suspend' stands twice. Correct it there."
    )


def test_a_merged_key_may_be_overridden() -> None:
    text = SOURCE + "  jobTemplate: {<<: {parallelism: 2}, parallelism: 3}\n"
    [source] = load_objects(text, "file.yaml")
    assert source.kind == "Source"
    assert source.spec.job_template.parallelism == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "document 1: must be an object"),
        ("just words", "document 1: must be an object"),
        ("{kind: Pod, apiVersion: v1}", "document 1: kind: is 'Pod', but must be one of Source"),
        ("{kind: [Source]}", "document 1: kind: must be one of Source, Invocation"),
        (SOURCE.replace("v1alpha1", "v1"), "Source/shop: apiVersion: must be chromasync.dev"),
        (SOURCE.replace("name: shop, ", ""), "Source/document 1: metadata.name: is missing"),
        ("a: {b: [", "line 1, column 9: not good YAML"),
        ("a: !!python/object:os.system x", "line 1, column 4: not good YAML"),
        ("a: \x00", "not YAML"),
        ("[" * 20_000, "not usable YAML (RecursionError)"),
        ("a: 2026-99-99", "document 1: kind"),
        ("a: " + "9" * 10_000, "not usable YAML (ValueError)"),
        ("&a [*a]", "not usable YAML (ValueError)"),
    ],
)
def test_what_is_no_object_at_all(text: str, says: str) -> None:
    [problem] = refused(text)
    assert problem.startswith(says)
    assert problem.endswith(".")


REF = "spec.github.refIdentifier of an Invocation"


@pytest.mark.parametrize(
    ("text", "field", "advice"),
    [
        (f"{RUN}  refIdentifier: {{branch: main}}", "spec.refIdentifier", f"Did you mean {REF}?"),
        (f"{RUN}  ref_identifier: x", "spec.ref_identifier", f"Did you mean {REF}?"),
        (
            SOURCE.replace("acme/shop", "acme/shop, refIdentifier: {tag: v1}"),
            "spec.github.refIdentifier",
            f"Did you mean {REF}?",
        ),
        (SOURCE.replace("repository", "repositry"), "spec.github.repositry", "repository?"),
        (f"{SOURCE}  data_base_name: x", "spec.data_base_name", "Did you mean databaseName?"),
        (
            f"{SOURCE}  model: x",
            "spec.model",
            "Did you mean spec.embedding.dense.model of a Source or "
            "spec.embedding.sparse.model of a Source?",
        ),
        (
            SOURCE + "  jobTemplate: {tolerations: [{keys: x}]}",
            "spec.jobTemplate.tolerations[0].keys",
            "Did you mean key?",
        ),
        (
            f"{SOURCE}  name: x",
            "spec.name",
            "Check how it is written and where it stands, or leave it out.",
        ),
    ],
)
def test_what_an_unknown_field_may_mean(text: str, field: str, advice: str) -> None:
    told = [problem for problem in refused(text) if "no such field" in problem]
    assert len(told) == 1
    assert f"/{'run' if text.startswith(RUN) else 'shop'}: {field}: no such field. " in told[0]
    assert told[0].endswith(advice)


def test_aliases_can_not_blow_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    [problem] = refused("\n".join(lines))
    assert problem.startswith("not usable YAML")


def test_a_text_that_is_too_large() -> None:
    [problem] = refused(SOURCE + "#" * TEXT_BYTES_MAX)
    assert re.fullmatch(r"has \d+ bytes, more than 1048576\. Split .*\.", problem)


def test_values_are_never_shown() -> None:
    text = SOURCE.replace("acme/shop", "hunter2 hunter2") + "  chroma: {url: 'hunter2://x'}\n"
    text += "  chunking: {type: hunter2, maxSizeBytes: hunter2}\n"
    assert "hunter2" not in "\n".join(refused(text))
    assert "hunter2" not in "\n".join(refused("a: [hunter2\nb: hunter2: hunter2"))
