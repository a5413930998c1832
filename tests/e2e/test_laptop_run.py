"""What a run does, and what can be asked then."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

from e2e.kit import COMMAND, FILES, MODEL, chroma_sync, objects, written
from fakes import repository
from fakes.git_host import serving
from fakes.github import State, Token, github


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


def test_another_model_is_what_the_collection_records(git_url: str, tmp_path: Path) -> None:
    files = written(tmp_path, objects(git_url, model=None))
    done = chroma_sync(tmp_path, "run", *files, "--model", MODEL)
    assert done.returncode == 0, done.stderr
    answer = chroma_sync(tmp_path, "query", "bread", "--collection", "shop", "--limit", "1")
    assert answer.returncode == 0, answer.stderr


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
