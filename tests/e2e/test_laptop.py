"""The laptop commands as a person types them: real processes, a real Git host."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes import repository
from fakes.chroma_server import chroma_server
from fakes.git_host import serving
from fakes.github import State, Token, github
from fakes.guard import guarded, wants

COMMAND = [sys.executable, "-m", "chroma_sync.cli.main"]
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
FILES = {
    "src/bake.py": repository.GeneratedFile(
        b'"""Bakes bread."""\n\n\ndef bake(dough):\n    """Bake the dough in a hot oven."""\n'
        b"    return oven(dough, celsius=230)\n"
    ),
    "src/ledger.py": repository.GeneratedFile(
        b'"""Keeps accounts."""\n\n\ndef post(entry):\n    """Post a debit and its credit."""\n'
        b"    return debit(entry), credit(entry)\n"
    ),
    "README.md": repository.GeneratedFile(b"# Shop\n\nBread and accounts.\n"),
}


@pytest.fixture(scope="module")
def git_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("host")
    (root / "acme").mkdir()
    repository.write(root / "acme" / "shop", [FILES])
    many = {f"f{i:03}.py": f for i in range(500) for f in [FILES["src/bake.py"]]}
    different = {k: repository.GeneratedFile(v.data + k.encode()) for k, v in many.items()}
    repository.write(root / "acme" / "many", [different])
    with serving(root) as url:
        yield url


def objects(url: str, repo: str = "acme/shop", model: str | None = MODEL) -> list[dict[str, Any]]:
    embedding = {"embedding": {"dense": {"model": model}}} if model else {}
    return [
        {
            "apiVersion": "chromasync.dev/v1alpha1",
            "kind": "Source",
            "metadata": {"name": "shop"},
            "spec": {"github": {"repository": repo, "baseUrl": url}, **embedding},
        },
        {
            "apiVersion": "chromasync.dev/v1alpha1",
            "kind": "Invocation",
            "metadata": {"name": "run"},
            "spec": {"sourceRef": {"name": "shop"}, "targetCollectionName": "shop"},
        },
    ]


def written(folder: Path, items: list[dict[str, Any]]) -> list[str]:
    """Write each object to a file of its own. Returns the options that name them."""
    options = []
    for number, item in enumerate(items):
        file = folder / f"{number}.yaml"
        file.write_text(json.dumps(item))
        options += ["-f", str(file)]
    return options


def chroma_sync(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_run_and_query(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url))
    done = chroma_sync(tmp_path, "run", *files)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"] == "began"
    assert lines[-1]["event"] == "complete"
    assert lines[-1]["documents"] == {"discovered": 3, "indexed": 3}
    for question, file in (("hot oven", "src/bake.py"), ("double entry", "src/ledger.py")):
        answer = chroma_sync(tmp_path, "query", question, "--collection", "shop")
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.startswith(f"1. {file}:1-6  score 0."), answer.stdout
    again = chroma_sync(tmp_path, "run", *files)
    assert again.returncode == 64
    assert "CollectionAlreadyIngested" in again.stderr


def test_a_plan_and_then_a_report(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url))
    planned = chroma_sync(tmp_path, "plan", *files)
    assert planned.returncode == 0, planned.stderr
    assert "documents: 3 to add, 0 to change, 0 unchanged, 0 to remove; 0 skipped" in planned.stdout
    assert "chunks: 3 to write, 3 of them to embed" in planned.stdout
    assert "chunks by type: 2 python, 1 markdown" in planned.stdout
    most = [line.split() for line in planned.stdout.partition("most chunks:\n")[2].splitlines()]
    assert sorted(most) == sorted(["1", path] for path in FILES)
    assert not (tmp_path / "chroma").exists(), "a plan writes nothing"
    ran = chroma_sync(tmp_path, "run", *files, "--report", "verdicts.jsonl")
    assert ran.returncode == 0, ran.stderr
    lines = (tmp_path / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = sorted((json.loads(line) for line in lines), key=lambda v: str(v["document"]))
    assert verdicts == [
        {
            "run": "run",
            "document": path,
            "verdict": "indexed",
            "bytes": len(FILES[path].data),
            "chunks": 1,
        }
        for path in sorted(FILES)
    ]
    # The collection is finished: a plan says so, as the run would.
    again = chroma_sync(tmp_path, "plan", *files)
    assert again.returncode == 64
    assert "CollectionAlreadyIngested" in again.stderr


def test_a_plan_of_two_runs_into_one_collection(git_url: str, tmp_path: Path) -> None:
    source, first = objects(git_url)
    items = [source, first]
    for name, collection in (("second", "shop"), ("other", "other")):
        spec = {**first["spec"], "targetCollectionName": collection}
        items.append({**first, "metadata": {"name": name}, "spec": spec})
    planned = chroma_sync(tmp_path, "plan", *written(tmp_path, items))
    assert planned.returncode == 0, planned.stderr
    note = "It comes after Invocation run into the same collection, which is not counted here."
    _, _, *told = planned.stdout.split(", at ")
    assert [note in one for one in told] == [True, False]


def test_what_a_repository_holds_controls_no_terminal(tmp_path: Path) -> None:
    root = tmp_path / "host"
    (root / "acme").mkdir(parents=True)
    notes = (
        b"How to reset the password\n\n\x1b]52;c;ZWNobyBoaQ==\x07\x1b[2J\x1b[31mAll is fine\rhid\n"
    )
    named = {"notes.txt": repository.GeneratedFile(notes)}
    evil = {"evil\x1b[31m\nname\u202e.md": repository.GeneratedFile(b"# dash\n")}
    repository.write(root / "acme" / "shop", [named | evil])
    with serving(root) as url:
        source, run = objects(url)
        source["spec"]["github"]["includeGlobs"] = ["*.txt", "*.md", "*.rs"]
        source["spec"]["github"]["excludeGlobs"] = ["vendor/"]
        files = written(tmp_path, [source, run])
        outputs = [
            chroma_sync(tmp_path, "plan", *files),
            chroma_sync(tmp_path, "run", *files, "--report", "verdicts.jsonl"),
            chroma_sync(tmp_path, "query", "reset the password", "--collection", "shop"),
        ]
    report = (tmp_path / "verdicts.jsonl").read_text(encoding="utf-8")
    for done in outputs:
        assert done.returncode == 0, done.stderr
        for text in (done.stdout, done.stderr, report):
            assert not set(text) & {"\x1b", "\x07", "\r", "\u202e"}
    planned, ran, asked = outputs
    assert r"evil\x1b[31m\nname\u202e.md" in planned.stdout
    assert r"\x1b]52;c;ZWNobyBoaQ==\x07\x1b[2J\x1b[31mAll is fine\rhid" in asked.stdout
    assert set(evil) < {json.loads(line)["document"] for line in report.splitlines()}
    for field, pattern in (("includeGlobs", "*.rs"), ("excludeGlobs", "vendor/")):
        note = f"chroma-sync: Source/shop: spec.github.{field}: {pattern!r} matches no file.\n"
        assert note in planned.stderr
        assert note in ran.stderr


def test_a_plan_warns_as_a_run_does(git_url: str, tmp_path: Path) -> None:
    source, run = objects(git_url)
    source["spec"]["github"]["includeGlobs"] = ["*.rs"]
    for command in ("plan", "run"):
        done = chroma_sync(tmp_path, command, *written(tmp_path, [source, run]))
        assert done.returncode == 0, done.stderr
        assert "Source/shop: no file of the repository is chosen" in done.stderr


def test_a_private_repository_and_its_secret_from_a_file(tmp_path: Path) -> None:
    root = tmp_path / "host"
    (root / "acme").mkdir(parents=True)
    repository.write(root / "acme" / "shop", [FILES])
    state = State(tokens={"canary-1": Token(["acme/shop"])})
    with github(root, state) as url:
        source, run = objects(url)
        source["spec"]["github"] |= {"insecure": True, "credentialsSecretRef": {"name": "login"}}
        files = written(tmp_path, [source, run])
        missing = chroma_sync(tmp_path, "run", *files)
        assert missing.returncode == 64
        assert "SecretNotFound: There is no Secret 'login'" in missing.stderr
        assert "another -f" in missing.stderr
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "login"},
            "data": {"token": base64.b64encode(b"canary-1\n").decode()},
        }
        (tmp_path / "secret.yaml").write_text(json.dumps(secret))
        done = chroma_sync(tmp_path, "run", *files, "-f", "secret.yaml")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["documents"]["indexed"] == len(FILES)
        state.tokens.clear()
        refused = chroma_sync(tmp_path, "plan", *files, "-f", "secret.yaml", "--path", "other")
        assert refused.returncode == 64
        assert "CredentialsRejected" in refused.stderr
    assert "canary" not in done.stdout + done.stderr + refused.stdout + refused.stderr


def test_one_that_fails_does_not_keep_the_others(git_url: str, tmp_path: Path) -> None:
    source, good = objects(git_url)
    bad = {**good, "metadata": {"name": "bad"}}
    bad["spec"] = {**good["spec"], "github": {"refIdentifier": {"branch": "nope"}}}
    bad["spec"]["targetCollectionName"] = "bad"
    files = written(tmp_path, [source, bad, good])
    for command in ("plan", "run"):
        done = chroma_sync(tmp_path, command, *files)
        assert done.returncode == 64
        assert "Invocation/bad: RefNotFound: " in done.stderr
        assert "has no branch 'nope'" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (lines[-1]["event"], lines[-1]["documents"]["indexed"]) == ("complete", 3)
    failed = [line for line in lines if line["run"] == "bad into bad"][-1]
    assert (failed["event"], failed["reason"]) == ("failed", "RefNotFound")
    assert f"Invocation/bad: RefNotFound: {failed['message']}\n" in done.stderr


def test_a_choice_of_nothing_is_told(git_url: str, tmp_path: Path) -> None:
    source, run = objects(git_url)
    source["spec"]["github"]["includeGlobs"] = ["*.nothing"]
    done = chroma_sync(tmp_path, "run", *written(tmp_path, [source, run]))
    assert done.returncode == 0
    assert "Source/shop: no file of the repository is chosen: check includeGlobs" in done.stderr


@pytest.mark.parametrize("option", ["--chroma", "--tei"])
def test_an_address_without_its_scheme(git_url: str, tmp_path: Path, option: str) -> None:
    files = written(tmp_path, objects(git_url))
    done = chroma_sync(tmp_path, "run", *files, option, "localhost:8000")
    assert done.returncode == 2
    assert f"{option}: must begin with http:// or https://" in done.stderr


def test_a_report_that_cannot_be_written(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url))
    done = chroma_sync(tmp_path, "run", *files, "--report", "no/such/folder")
    assert done.returncode == 2
    assert "--report: no/such/folder can't be written" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_on(git_url: str, tmp_path: Path, number: signal.Signals) -> None:
    files = written(tmp_path, objects(git_url, "acme/many"))
    command = [*COMMAND, "run", *files]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # Something is on disk once a line says so.
    assert process.stdout is not None and process.stderr is not None
    deadline = time.monotonic() + 60
    while '"written"' not in process.stdout.readline():
        assert time.monotonic() < deadline
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "start it again" in errors
    assert json.loads(output.splitlines()[-1])["event"] == "stopped"
    done = chroma_sync(tmp_path, "run", *files)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["documents"].get("unchanged", 0) + counts["chunks"].get("reused", 0) > 0
    assert counts["documents"]["discovered"] == 500
    assert counts["collection"]["records"] == 500


def test_a_server_that_is_down_is_named_while_it_is_waited_for(
    git_url: str, tmp_path: Path
) -> None:
    files = written(tmp_path, objects(git_url))
    command = [*COMMAND, "run", *files, "--tei", "http://127.0.0.1:1"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    deadline = time.monotonic() + 25
    while "reason" not in (line := json.loads(process.stdout.readline())):
        assert time.monotonic() < deadline
    assert line["reason"] == "EmbeddingUnavailable"
    assert "http://127.0.0.1:1/info can't be reached" in line["message"]
    # Ctrl-C ends the wait too.
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embedding": {"dense": {"model": "Qwen/Qwen3-Embedding-0.6B"}}}, ["--tei", "--model"]),
        ({"suspend": "yes"}, ["Source/shop", "suspend"]),
        ({"suspend": True}, ["Source/shop", "spec.suspend is true"]),
        ({"github": {"repository": "shop"}}, ["Source/shop", "spec.github.repository"]),
        ({"deletionPolicy": "Delete"}, ["Source/shop", "deletionPolicy", "NotImplemented"]),
    ],
)
def test_what_is_refused(
    git_url: str, tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    items = objects(git_url)
    items[0]["spec"] |= change
    refused = chroma_sync(tmp_path, "run", *written(tmp_path, items))
    assert refused.returncode in (2, 64)
    for word in words:
        assert word in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_cancelled_invocation_is_refused(git_url: str, tmp_path: Path) -> None:
    items = objects(git_url)
    items[1]["spec"]["cancel"] = True
    refused = chroma_sync(tmp_path, "run", *written(tmp_path, items))
    assert refused.returncode == 2
    assert "Invocation/run: spec.cancel is true" in refused.stderr


@pytest.fixture
def chroma_url(tmp_path: Path) -> Iterator[str]:
    with chroma_server(tmp_path / "server") as url:
        yield url


def test_a_server_behind_a_proxy_that_wants_a_token(
    git_url: str, chroma_url: str, tmp_path: Path
) -> None:
    files = written(tmp_path, objects(git_url))
    (tmp_path / "token").write_text("canary-1\n")
    with guarded(chroma_url, wants("Authorization", "Bearer canary-1")) as guard:
        place = ["--chroma", guard.url]
        refused = chroma_sync(tmp_path, "run", *files, *place)
        assert refused.returncode == 64
        assert "CredentialsRejected: Chroma at http://127.0.0.1" in refused.stderr
        assert "HTTP 401" in refused.stderr and "--chroma-token-file" in refused.stderr
        place += ["--chroma-token-file", "token"]
        done = chroma_sync(tmp_path, "run", *files, *place)
        assert done.returncode == 0, done.stderr
        found = chroma_sync(tmp_path, "query", "bread", "--collection", "shop", *place)
        assert "src/bake.py" in found.stdout, found.stderr
        guard.refuse = wants("Authorization", "Basic cm9ib3Q6Y2FuYXJ5LTI=")
        url = guard.url.replace("//", "//robot:canary-2@")
        planned = chroma_sync(tmp_path, "plan", *files, "--chroma", url)
        assert planned.returncode == 64, "the collection is finished"
        assert "CollectionAlreadyIngested" in planned.stderr
    for ended in (refused, done, found, planned):
        assert "canary" not in ended.stdout + ended.stderr


def test_a_tenant_of_a_server(git_url: str, chroma_url: str, tmp_path: Path) -> None:
    for path, name in (("tenants", "team-a"), ("tenants/team-a/databases", "default_database")):
        url = f"{chroma_url}/api/v2/{path}"
        httpx.post(url, json={"name": name}, trust_env=False).raise_for_status()
    items = objects(git_url)
    items[0]["spec"]["chroma"] = {"url": chroma_url, "tenant": "team-a"}
    done = chroma_sync(tmp_path, "run", *written(tmp_path, items), "--chroma", chroma_url)
    assert done.returncode == 0, done.stderr
    ask = ["query", "bread", "--collection", "shop", "--chroma", chroma_url]
    assert "there is no collection" in chroma_sync(tmp_path, *ask).stderr
    found = chroma_sync(tmp_path, *ask, "--tenant", "team-a")
    assert "src/bake.py" in found.stdout, found.stderr


def test_another_model_is_what_the_collection_records(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url, model=None))
    done = chroma_sync(tmp_path, "run", *files, "--model", MODEL)
    assert done.returncode == 0, done.stderr
    answer = chroma_sync(tmp_path, "query", "bread", "--collection", "shop", "--limit", "1")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "x", "--collection", "none"], "there is no folder"),
        (["query", "x", "--collection", "c", "--limit", "0"], "--limit"),
        (["query", " ", "--collection", "c"], "TEXT"),
        (["run", "-f", "absent.yaml"], "absent.yaml can't be read"),
        (["query", "x", "--collection", "c", "--path", "a-file"], "a-file is not a folder"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "a-file").touch()
    done = chroma_sync(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_bars_at_a_terminal(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url))
    master, slave = os.openpty()
    done = subprocess.Popen([*COMMAND, "run", *files], cwd=tmp_path, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        shown += part
    os.close(master)
    assert done.wait(timeout=120) == 0
    text = shown.decode()
    assert "documents" in text and "3/3" in text
    assert "3 documents indexed" in text
    assert "{" not in text
