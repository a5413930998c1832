from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from chroma_sync.api.invocation import Failure, Invocation
from chroma_sync.api.load import load_objects
from chroma_sync.api.source import Chunking, Schedule, Source
from chroma_sync.api.supported import invalid_for_source, not_implemented
from cluster.api.invalid_objects import changed

SAMPLES = Path(__file__).parents[3] / "crds" / "samples"


def github(**fields: Any) -> dict[str, Any]:
    return changed("github", {f"spec.github.{name}": value for name, value in fields.items()})


def test_defaults() -> None:
    source = Source.model_validate(changed("github", {}))
    spec = source.spec
    assert spec.database_name == "default_database"
    assert spec.embedding.dense.model == "Qwen/Qwen3-Embedding-0.6B"
    assert (spec.chunking.type, spec.chunking.max_size_bytes) == ("tree_sitter", 4096)
    assert spec.github is not None
    assert spec.github.base_url == "https://github.com"
    assert spec.job_template.parallelism == 1
    assert (spec.deletion_policy, spec.concurrency_policy) == ("Retain", "Queue")
    assert source.status.observed_generation == -1
    run = Invocation.model_validate(changed("run", {}))
    assert (run.spec.cancel, run.spec.target_policy) == (False, None)
    assert run.status.documents.indexed == 0


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, None),
        ({"type": "tree_sitter"}, None),
        ({"type": "lines"}, 10),
        ({"type": "lines", "maxLines": 3}, 3),
    ],
)
def test_lines_have_a_default_of_their_own(fields: dict[str, Any], lines: int | None) -> None:
    assert Chunking.model_validate(fields).max_lines == lines


def test_a_dump_comes_back_the_same() -> None:
    for path in sorted(SAMPLES.glob("*.yaml")):
        for item in load_objects(path.read_text(), path.name):
            dumped = item.model_dump(mode="json", by_alias=True, exclude_none=True)
            assert type(item).model_validate(dumped) == item


def test_objects_of_the_api_server_are_read() -> None:
    document = changed("run", {"metadata.managedFields": [], "metadata.uid": "1"})
    assert Invocation.model_validate(document).metadata.uid == "1"


def test_a_failure_is_cut_to_its_bounds() -> None:
    failure = Failure(document="d" * 5000, reason="TooLarge", message="m" * 5000)
    assert (len(failure.document), len(failure.message)) == (1024, 1024)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8418",
        "https://git.example.com",
        "https://git.example.com:8443/scm/",
        "http://[::1]:80",
    ],
)
def test_good_addresses(url: str) -> None:
    Source.model_validate(github(baseUrl=url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "git.example.com",
        "https://",
        "HTTPS://git.example.com",
        "ssh://git.example.com",
        "https://git.example.com?x=1",
        "https://git.example.com#x",
        "https://user@git.example.com",
        "https://user:token@git.example.com/",
        "https://git.example.com/a b",
        "https://-git.example.com",
        "https://git.example.com\n",
        "https://git.example.com:99999999",
    ],
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(ValidationError):
        Source.model_validate(github(baseUrl=url))


@pytest.mark.parametrize(
    ("repository", "good"),
    [
        ("chroma-core/chroma", True),
        ("acme/.github", True),
        ("a/b.git", True),
        ("acme", False),
        ("acme/", False),
        ("/shop", False),
        ("acme/shop/x", False),
        ("acme/..", False),
        ("../shop", False),
        ("acme/sh op", False),
        ("acme/shop?x", False),
    ],
)
def test_repositories(repository: str, good: bool) -> None:
    if good:
        Source.model_validate(github(repository=repository))
    else:
        with pytest.raises(ValidationError):
            Source.model_validate(github(repository=repository))


@pytest.mark.parametrize(
    ("branch", "good"),
    [
        ("main", True),
        ("release/1.2", True),
        ("feature/äöü", True),
        ("dependabot/npm_and_yarn/@types/node-20.1.0", True),
        ("-x", False),
        ("/x", False),
        ("x/", False),
        ("a//b", False),
        (".hidden", False),
        ("a/.b", False),
        ("end.", False),
        ("a b", False),
        ("a~1", False),
        ("a^", False),
        ("a:b", False),
        ("a*", False),
        ("a[b", False),
        ("a\\b", False),
        ("a\nb", False),
        ("a\n", False),
    ],
)
def test_branches(branch: str, good: bool) -> None:
    document = changed("run", {"spec.github.refIdentifier.branch": branch})
    if good:
        Invocation.model_validate(document)
    else:
        with pytest.raises(ValidationError):
            Invocation.model_validate(document)


@pytest.mark.parametrize(
    ("cron", "good"),
    [
        ("* * * * *", True),
        ("*/5 0-6,22 1,15 jan-MAR 1-5", True),
        ("0 3 * * sun", True),
        ("@weekly", True),
        ("60 * * * *", False),
        ("* 24 * * *", False),
        ("* * 0 * *", False),
        ("* * * 13 *", False),
        ("* * * * 8", False),
        ("* * * *", False),
        ("@reboot", False),
        ("*/0 * * * *", False),
    ],
)
def test_cron(cron: str, good: bool) -> None:
    if good:
        Schedule.model_validate({"cron": cron})
    else:
        with pytest.raises(ValidationError):
            Schedule.model_validate({"cron": cron})


@pytest.mark.parametrize(
    ("quantity", "good"),
    [
        (1, True),
        ("1", True),
        ("500m", True),
        ("1.5", True),
        (".5", True),
        ("4Gi", True),
        ("1e3", True),
        ("2E", True),
        (-1, False),
        (True, False),
        (1.5, False),
        ("", False),
        ("4 Gi", False),
        ("4GB", False),
        ("-1", False),
        (["1"], False),
        (2**63, False),
        ("+2Gi", False),
        ("E", False),
        (".", False),
        ("1e99", True),
        ("1e100", False),
    ],
)
def test_quantities(quantity: object, good: bool) -> None:
    document = changed("github", {"spec.jobTemplate.resources.limits": {"cpu": quantity}})
    if good:
        Source.model_validate(document)
    else:
        with pytest.raises(ValidationError):
            Source.model_validate(document)


def test_the_demo_runs_with_what_is_served() -> None:
    source, run = load_objects((SAMPLES / "demo.yaml").read_text(), "demo.yaml")
    assert isinstance(source, Source)
    assert isinstance(run, Invocation)
    assert not_implemented(source.spec) == not_implemented(run.spec) == []
    assert invalid_for_source(source.spec, run.spec) is None
    assert run.spec.source_ref.name == source.metadata.name


def test_the_samples_show_every_field() -> None:
    """Every field of both specs stands in some sample, so that the API server has accepted it."""
    seen: set[str] = set()

    def collect(prefix: str, value: Any) -> None:
        for name, inner in value.items() if isinstance(value, dict) else ():
            seen.add(f"{prefix}.{name}")
            collect(f"{prefix}.{name}", inner)
        for item in value if isinstance(value, list) else ():
            collect(prefix, item)

    for path in SAMPLES.glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            collect(document["kind"], {"spec": document["spec"]})
    crds = [yaml.safe_load(p.read_text()) for p in SAMPLES.parent.glob("*.yaml")]
    fields: set[str] = set()

    def walk(prefix: str, schema: dict[str, Any]) -> None:
        schema = schema.get("items", schema)
        for name, inner in schema.get("properties", {}).items():
            fields.add(f"{prefix}.{name}")
            walk(f"{prefix}.{name}", inner)

    for crd in crds:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        walk(f"{crd['spec']['names']['kind']}.spec", schema["properties"]["spec"])
    # A sample that is cancelled would be of no use.
    assert fields - seen == {"Invocation.spec.cancel"}


@pytest.mark.parametrize(
    ("regex", "good"),
    [
        ("^/docs/", True),
        (r"/(en|de)/[0-9]{4}(-draft)?\.html?$", True),
        (r"(?i)guide|[\w\-]+\b", True),
        ("(", False),
        ("[z-a]", False),
        ("a{2,1}", False),
        # What only one of RE2 and Python takes, or both with another meaning.
        (r"\z", False),
        (r"\Z", False),
        (r"\pL", False),
        (r"\u0041", False),
        (r"\Qa.b\E", False),
        ("[[:alpha:]]", False),
        ("^*", False),
        ("a{,2}", False),
        ("a++", False),
        ("a(?i)b", False),
        ("(a{100}){100}", False),
    ],
)
def test_path_regexes(regex: str, good: bool) -> None:
    document = changed("web", {"spec.web.includePathRegexes": [regex]})
    if good:
        Source.model_validate(document)
    else:
        with pytest.raises(ValidationError):
            Source.model_validate(document)


def test_a_null_in_a_map_stands_for_a_key_that_is_left_out() -> None:
    limits = {"cpu": None, "memory": "1Gi"}
    document = changed("github", {"spec.jobTemplate.resources.limits": limits})
    resources = Source.model_validate(document).spec.job_template.resources
    assert resources is not None
    assert resources.limits == {"memory": "1Gi"}


def test_a_whole_number_may_have_a_point() -> None:
    """The API server takes it, and stores the number without."""
    document = changed("github", {"spec.jobTemplate.parallelism": 7.0})
    assert Source.model_validate(document).spec.job_template.parallelism == 7
    with pytest.raises(ValidationError):
        Source.model_validate(changed("github", {"spec.jobTemplate.parallelism": 7.5}))
