"""Servers that want a token, or are in trouble."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.kit import COMMAND, FILES, chroma_sync, objects, written
from fakes import repository
from fakes.chroma_server import chroma_server
from fakes.git_host import GitHost, Unwell
from fakes.guard import guarded, wants
from fakes.running import running


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


@pytest.fixture
def unwell(tmp_path: Path) -> Iterator[GitHost]:
    """A Git host that may be in trouble."""
    root = tmp_path / "host"
    (root / "acme").mkdir(parents=True)
    repository.write(root / "acme" / "shop", [FILES])
    with running(GitHost(("127.0.0.1", 0), root, Unwell)) as host:
        yield host


# Of one that is long enough to be told: git's request and ours that asks why, five times.
@pytest.mark.parametrize(("trouble", "is_told"), [([502], False), ([502] * 10, True)])
def test_a_git_host_in_trouble_is_waited_for(
    unwell: GitHost, tmp_path: Path, trouble: list[int], is_told: bool
) -> None:
    unwell.trouble = list(trouble)
    files = written(tmp_path, objects(f"http://127.0.0.1:{unwell.server_port}"))
    done = chroma_sync(tmp_path, "run", *files)
    assert done.returncode == 0, done.stderr
    assert not unwell.trouble, "the host was asked again"
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert (last["event"], last["documents"]["indexed"]) == ("complete", len(FILES))
    told = {line["reason"] for line in lines if "reason" in line}
    assert told == ({"HostUnreachable"} if is_told else set())


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
