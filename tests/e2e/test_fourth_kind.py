"""A kind of source is one folder: one that only tests know runs from end to end."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from e2e.kit import written
from fakes.chroma_server import chroma_server
from fakes.hash_model import HashModel
from fakes.scripted_tei import scripted
from fakes.tei_gateway import of_model
from fourth_kind.kit import LAPTOP, ROOT, SOURCE, of_fourth_kind, operator_side, program, run


def test_a_run_on_a_laptop(tmp_path: Path) -> None:
    files = written(tmp_path, of_fourth_kind({}))
    planned = program(tmp_path, LAPTOP, "plan", *files)
    assert "documents: 2 to add" in planned and "1 (1 Empty) skipped" in planned
    done = program(tmp_path, LAPTOP, "run", *files)
    last = json.loads(done.splitlines()[-1])
    assert (last["event"], last["documents"]["indexed"]) == ("complete", 2)
    assert last["skipped"] == {"Empty": 1}
    found = program(tmp_path, LAPTOP, "query", "how is bread made?", "--collection", "shop")
    assert "Flour, water, salt" in found
    # An update writes what has changed, and takes away what is gone.
    changed = {"bread": SOURCE["documents"]["bread"], "oven": "It is hot.\n"}
    update = of_fourth_kind({"targetPolicy": "Update"}, documents=changed)
    done = program(tmp_path, LAPTOP, "run", *written(tmp_path, update))
    documents = json.loads(done.splitlines()[-1])["documents"]
    assert documents == {"discovered": 2, "indexed": 1, "unchanged": 1, "removed": 1}
    # One that speaks for a part of them takes away nothing else.
    only = {"targetPolicy": "Update", "dictionary": {"prefix": "o"}}
    part = of_fourth_kind(only, documents={"oven": "It is cold.\n"})
    done = program(tmp_path, LAPTOP, "run", *written(tmp_path, part))
    documents = json.loads(done.splitlines()[-1])["documents"]
    assert documents == {"discovered": 1, "indexed": 1}
    found = program(tmp_path, LAPTOP, "query", "how is bread made?", "--collection", "shop")
    assert "Flour, water, salt" in found


def test_its_secrets_and_settings_on_a_laptop(tmp_path: Path) -> None:
    """From the files, as those of any other kind."""
    asked = of_fourth_kind({"dictionary": {"prefix": "b"}}, keySecretRef={"name": "login"})
    files = written(tmp_path, asked)
    missing = run(tmp_path, LAPTOP, "run", *files)
    assert missing.returncode == 64
    assert "SecretNotFound: There is no Secret 'login'" in missing.stderr
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
    (tmp_path / "secret.yaml").write_text(json.dumps(secret | {"stringData": {"token": "t-1"}}))
    done = program(tmp_path, LAPTOP, "run", *files, "-f", "secret.yaml")
    documents = json.loads(done.splitlines()[-1])["documents"]
    assert documents == {"discovered": 2, "indexed": 2}, "the blank one ends with the token"


def test_what_is_refused_on_a_laptop(tmp_path: Path) -> None:
    both = of_fourth_kind({})
    both[0]["spec"]["github"] = {"repository": "acme/shop"}
    refused = run(tmp_path, LAPTOP, "run", *written(tmp_path, both))
    assert "and dictionary must be set in spec" in refused.stderr
    other = of_fourth_kind({"github": {}})
    refused = run(tmp_path, LAPTOP, "run", *written(tmp_path, other))
    assert "spec.github: is for runs over a github Source, and this one is not" in refused.stderr
    none = of_fourth_kind({"dictionary": {"prefix": "z"}})
    refused = run(tmp_path, LAPTOP, "run", *written(tmp_path, none))
    assert "spec.dictionary.prefix: no document of the Source begins so" in refused.stderr


def shelf(name: str, run_spec: dict[str, Any], **texts: str) -> list[dict[str, Any]]:
    """A Source whose collection others share, and an Invocation that names none."""
    source, run = of_fourth_kind(run_spec, title=name, documents=texts)
    for one in (source, run):
        one["metadata"]["name"] = name
    source["spec"]["shelf"] = {**source["spec"].pop("dictionary"), "collectionName": "pool"}
    run["spec"]["sourceRef"] = {"name": name}
    run["spec"].pop("targetCollectionName")
    return [source, run]


def test_sources_that_share_a_collection_on_a_laptop(tmp_path: Path) -> None:
    def counts(items: list[dict[str, Any]]) -> dict[str, int]:
        done = program(tmp_path, LAPTOP, "run", *written(tmp_path, items))
        last = json.loads(done.splitlines()[-1])
        assert last["run"].endswith(" into pool")
        found: dict[str, int] = last["documents"]
        return found

    bread, oven = "Flour, water and yeast.\n", "It is hot.\n"
    assert counts(shelf("food", {}, bread=bread, cake="Sugar.\n"))["indexed"] == 2
    assert counts(shelf("tools", {}, oven=oven)) == {"discovered": 1, "indexed": 1}
    assert counts(shelf("food", {}, bread=bread)) == {"discovered": 1, "unchanged": 1, "removed": 1}
    asked = ("query", "what is hot?", "--collection", "pool")
    answer = run(tmp_path, LAPTOP, *asked)
    assert answer.stdout.startswith("1. oven:")
    assert answer.stderr == "", "nobody calls it unfinished"
    clash = counts(shelf("tools", {}, oven=oven, bread="Baked.\n"))
    assert clash == {"discovered": 2, "unchanged": 1, "failed": 1}
    create = shelf("food", {"targetPolicy": "Create"}, bread=bread)
    refused = run(tmp_path, LAPTOP, "run", *written(tmp_path, create))
    assert "spec.targetPolicy: is Create, but runs over a shelf Source always" in refused.stderr
    # One that has its collections for itself has no place there.
    alone = of_fourth_kind({"targetCollectionName": "pool", "targetPolicy": "Update"})
    refused = run(tmp_path, LAPTOP, "run", *written(tmp_path, alone))
    assert "CollectionOwnedByAnother: Collection 'pool' is shared by Sources" in refused.stderr


def test_what_the_operator_makes_of_it(tmp_path: Path) -> None:
    asked = of_fourth_kind({"dictionary": {"prefix": "b"}}, keySecretRef={"name": "login"})
    asked[0]["spec"]["jobTemplate"] = {"parallelism": 4}
    said = operator_side(tmp_path, asked)
    assert said["address"] == "dictionary:terms"
    assert said["shards"] == 1, "its documents are not shared among pods"
    assert (said["unserved"], said["problem"]) == ([], None)
    assert said["stored"]["dictionary"]["title"] == "terms"
    assert said["stored"]["run"]["dictionary"] == {"prefix": "b"}
    volumes = {v["name"]: v.get("secret") for v in said["pod"]["volumes"]}
    assert volumes["source"] == {
        "secretName": "login",
        "items": [{"key": "token", "path": "token"}],
        "optional": True,
    }
    (version,) = said["crds"]["Source"]["spec"]["versions"]
    columns = {c["name"]: c["jsonPath"] for c in version["additionalPrinterColumns"]}
    assert columns["Address"].endswith("'title']")
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert "title" in spec["properties"]["dictionary"]["properties"]


def test_a_pod_runs_what_the_operator_gives_it(tmp_path: Path) -> None:
    """From the configuration that is stored, with a Secret as it is mounted, into a server."""
    asked = of_fourth_kind({"dictionary": {"prefix": "b"}}, keySecretRef={"name": "login"})
    asked[1]["metadata"]["uid"] = "run-uid"
    stored = operator_side(tmp_path, asked)["stored"]
    mounted = tmp_path / "secrets" / "source"
    mounted.mkdir(parents=True)
    (mounted / "token").write_text("t-1")
    model = of_model(HashModel(dimension=8))
    with chroma_server(tmp_path / "server") as chroma, scripted(model) as tei:
        stored["chroma"]["url"] = chroma
        stored["embedding"] |= {"url": tei, "model": "hash"}
        for step in ("check", "run"):
            done = run(tmp_path, "fourth_kind.worker", step, configuration=json.dumps(stored))
            assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads((tmp_path / "result.json").read_text())
    assert result["documents"] == {"discovered": 2, "indexed": 2}
    assert result["collection"]["records"] == 2


PAGE = ROOT / "docs" / "writing-a-source.md"


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language."""
    page = PAGE.read_text(encoding="utf-8")
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return found


def test_the_example_of_the_page_can_be_run(tmp_path: Path) -> None:
    (example,), (command,) = blocks("yaml"), blocks("sh")
    (tmp_path / "terms.yaml").write_text(example, encoding="utf-8")
    before, name, typed = command.partition(LAPTOP)
    assert (before, name) == ("PYTHONPATH=operator:tests .venv/bin/python -m ", LAPTOP)
    last = json.loads(program(tmp_path, LAPTOP, *shlex.split(typed)).splitlines()[-1])
    assert (last["event"], last["documents"]["indexed"]) == ("complete", 1)


def test_the_page_shows_this_kind() -> None:
    """Every line of code on the page stands in it."""
    folder = ROOT / "tests" / "fourth_kind"
    code = "".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py")))
    shown = [line for block in blocks("python") for line in block.splitlines()]
    assert len(shown) > 20
    assert not [line for line in shown if line.strip() not in ("", "...") and line not in code]
