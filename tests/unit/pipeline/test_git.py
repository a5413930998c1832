"""Git over HTTP against a real `git http-backend`."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Stopped, Temporary
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.globs import Globs
from chroma_sync.pipeline.fetch.git.process import GitTimeout
from chroma_sync.pipeline.queues import StopSignal
from fakes import repository
from fakes.git_host import serving
from fakes.running import running
from fakes.trees import commit_content, commit_of, tree_of, write_object
from unit.pipeline.git_kit import served_tree, source

FIRST = {"a.py": repository.GeneratedFile(b"one\n")}
SECOND = {
    "a.py": repository.GeneratedFile(b"two\n"),
    "sub/link": repository.GeneratedFile(b"../../etc/passwd", "120000"),
    "sub/big.txt": repository.GeneratedFile(b"x" * 2000),
    'odd "name"\n.txt': repository.GeneratedFile(b"odd\n"),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    root = tmp_path_factory.mktemp("git")
    (root / "acme").mkdir()
    commits = repository.write(root / "acme" / "shop", [FIRST, SECOND])
    git = ["git", "-C", str(root / "acme" / "shop")]
    subprocess.run([*git, "branch", "old", commits[0]], check=True)
    subprocess.run([*git, "tag", "light", commits[0]], check=True)
    me = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, *me, "tag", "-a", "-m", ".", "annotated", commits[0]], check=True)
    subprocess.run([*git, *me, "tag", "-a", "-m", ".", "of-a-tag", "annotated"], check=True)
    subprocess.run(["git", "init", "-q", "--bare", str(root / "acme" / "bare")], check=True)
    with serving(root) as url:
        yield url, commits


@pytest.mark.parametrize("tag", ["light", "annotated", "of-a-tag"])
def test_a_tag_is_its_commit(host: tuple[str, list[str]], tmp_path: Path, tag: str) -> None:
    url, commits = host
    git = source(f"{url}/acme/shop", tmp_path, tag=tag)
    assert git.resolve() == commits[0]


@pytest.mark.parametrize("digits", [7, 12, 39])
def test_an_abbreviated_sha_is_its_commit(
    host: tuple[str, list[str]], tmp_path: Path, digits: int
) -> None:
    """Also one that no branch ends at, and without its files being brought here."""
    url, commits = host
    for commit in commits:
        git = source(f"{url}/acme/shop", tmp_path, sha=commit[:digits])
        assert git.resolve() == commit
    git.prepare(commits[0])
    (entry,) = git.refs()
    assert git.open(entry, None).body == b"one\n"
    git.close()


def test_an_abbreviation_that_fits_two_commits_or_none(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "acme").mkdir(parents=True)
    one, two = two_alike(root / "acme" / "shop")
    short = one[:7]
    with serving(root) as url:
        for wanted in (short, "0123456"):
            with pytest.raises(Misconfigured) as caught:
                source(f"{url}/acme/shop", tmp_path, sha=wanted).resolve()
            assert caught.value.reason is Reason.REF_NOT_FOUND
            assert f"begins with {wanted!r}" in str(caught.value)
            assert ("more than one" in str(caught.value)) is (wanted == short)
        # A branch of that name is no commit that begins so.
        branch = ["git", "-C", str(root / "acme" / "shop"), "branch", two[:12], one]
        subprocess.run(branch, check=True)
        assert source(f"{url}/acme/shop", tmp_path, sha=two[:12]).resolve() == two


def two_alike(repository: Path) -> tuple[str, str]:
    """Two commits whose ids begin with the same seven digits, each on a branch."""
    tree = tree_of(repository, {"a": b"x"})
    seen: dict[str, int] = {}
    for number in itertools.count():
        content = commit_content(tree, str(number))
        id_ = hashlib.sha1(b"commit %d\0" % len(content) + content).hexdigest()  # noqa: S324
        other = seen.setdefault(id_[:7], number)
        if other != number:
            break
    first = commit_of(repository, tree, message=str(other))
    subprocess.run(["git", "-C", str(repository), "branch", "first", first], check=True)
    return first, commit_of(repository, tree, message=str(number))


@pytest.mark.parametrize("kind", ["tree", "blob"])
def test_a_tag_of_no_commit(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    (root / "acme").mkdir(parents=True)
    shop = root / "acme" / "shop"
    tree = tree_of(shop, {"a.py": b"x = 1\n"})
    commit_of(shop, tree)
    tagged = tree if kind == "tree" else write_object(shop, "blob", b"x = 1\n")
    subprocess.run(["git", "-C", str(shop), "update-ref", "refs/tags/odd", tagged], check=True)
    with serving(root) as url:
        git = source(f"{url}/acme/shop", tmp_path, tag="odd")
        with pytest.raises(Misconfigured) as caught:
            git.prepare(git.resolve())
    assert caught.value.reason is Reason.REF_NOT_FOUND


def test_a_missing_tag_is_called_a_tag(host: tuple[str, list[str]], tmp_path: Path) -> None:
    git = source(f"{host[0]}/acme/shop", tmp_path, tag="old")  # there is a branch of that name
    with pytest.raises(Misconfigured) as caught:
        git.resolve()
    assert caught.value.reason is Reason.REF_NOT_FOUND
    assert "has no tag 'old'" in str(caught.value)


def test_a_head_that_names_no_branch(tmp_path: Path) -> None:
    """`git init --bare` on an old server names master, and people push main."""
    root = tmp_path / "root"
    shop = root / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    commit = commit_of(shop, tree_of(shop, {"a.py": b"x = 1\n"}))
    subprocess.run(["git", "-C", str(shop), "symbolic-ref", "HEAD", "refs/heads/none"], check=True)
    for i in range(6):
        subprocess.run(["git", "-C", str(shop), "branch", f"other{i}", commit], check=True)
    with serving(root) as url, pytest.raises(Misconfigured) as caught:
        source(f"{url}/acme/shop", tmp_path).resolve()
    assert caught.value.reason is Reason.REF_NOT_FOUND
    assert "There are 'main', 'other0', 'other1', 'other2', 'other3', and 2 more." in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("branch", "tag"), [("refs/heads/old", None), (None, "refs/tags/old")], ids=["branch", "tag"]
)
def test_a_name_with_its_folder_of_refs(
    host: tuple[str, list[str]], tmp_path: Path, branch: str | None, tag: str | None
) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(f"{host[0]}/acme/shop", tmp_path, branch=branch, tag=tag).resolve()
    assert caught.value.reason is Reason.REF_NOT_FOUND
    assert str(caught.value).endswith("Invocation. Write 'old' there.")


def test_default_branch(host: tuple[str, list[str]], tmp_path: Path) -> None:
    url, commits = host
    git = source(f"{url}/acme/shop", tmp_path)
    git.check()
    assert git.resolve() == commits[1]
    git.prepare(commits[1])
    entries = {entry.key: entry for entry in git.refs()}
    assert sorted(entries) == ["a.py", 'odd "name"\n.txt', "sub/big.txt", "sub/link"]
    assert entries["sub/link"].skip is DocumentReason.SYMLINK
    assert entries["sub/big.txt"].skip is DocumentReason.TOO_LARGE
    assert git.open(entries["a.py"], None).body == b"two\n"
    assert git.open(entries['odd "name"\n.txt'], None).body == b"odd\n"
    git.close()


def test_branch_and_sha(host: tuple[str, list[str]], tmp_path: Path) -> None:
    url, commits = host
    assert source(f"{url}/acme/shop", tmp_path, branch="old").resolve() == commits[0]
    git = source(f"{url}/acme/shop", tmp_path, sha=commits[0])
    git.prepare(git.resolve())
    (entry,) = git.refs()
    assert git.open(entry, None).body == b"one\n"
    git.close()


@pytest.mark.parametrize(
    ("repo", "branch", "sha", "reason"),
    [
        ("acme/none", None, None, Reason.REPOSITORY_NOT_FOUND),
        ("acme/shop", "nope", None, Reason.REF_NOT_FOUND),
        ("acme/shop", None, "0" * 39 + "1", Reason.REF_NOT_FOUND),
        ("acme/bare", None, None, Reason.REF_NOT_FOUND),
    ],
)
def test_what_is_not_there(
    host: tuple[str, list[str]],
    tmp_path: Path,
    repo: str,
    branch: str | None,
    sha: str | None,
    reason: Reason,
) -> None:
    git = source(f"{host[0]}/{repo}", tmp_path, branch=branch, sha=sha)
    with pytest.raises(StepError) as caught:
        git.prepare(git.resolve())
    assert caught.value.reason is reason
    assert isinstance(caught.value, Misconfigured)
    advice = ("spec.github.repository", "spec.github.refIdentifier", "Push a first one")
    assert any(words in str(caught.value) for words in advice)


@pytest.mark.parametrize("repo", ["acme/shop", "acme/redirector", "acme/not found"])
def test_a_host_that_is_down_is_temporary(tmp_path: Path, repo: str) -> None:
    """Whatever the repository's name: it stands in all that git says."""
    with pytest.raises(Temporary) as caught:
        source(f"http://127.0.0.1:1/{repo}", tmp_path).resolve()
    assert caught.value.reason is Reason.HOST_UNREACHABLE


class _Moved(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", f"http://127.0.0.1:1{self.path}")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def test_a_repository_that_moved_says_so(tmp_path: Path) -> None:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _Moved)) as server:
        with pytest.raises(Misconfigured, match="was renamed or moved"):
            source(f"http://127.0.0.1:{server.server_port}/acme/shop", tmp_path).resolve()


@pytest.fixture
def silent_host() -> Iterator[str]:
    """A host that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/acme/shop"


def test_a_stop_ends_git_at_once(silent_host: str, tmp_path: Path) -> None:
    stop = StopSignal()
    git = source(silent_host, tmp_path, stop=stop)
    threading.Timer(0.5, stop.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        git.resolve()
    assert time.monotonic() - began < 10
    # git's helper, which has the connection, goes as well.
    _all_end_that_name(silent_host)


def test_a_host_that_says_nothing_is_given_up(silent_host: str, tmp_path: Path) -> None:
    command = GitCommand(StopSignal())
    with pytest.raises(GitTimeout):
        command.run("ls-remote", silent_host, "HEAD", seconds=0.5, settings={})
    _all_end_that_name(silent_host)


def _all_end_that_name(text: str) -> None:
    """A kill takes a moment to be carried out."""
    give_up_at = time.monotonic() + 10
    while left := _processes_that_name(text):
        assert time.monotonic() < give_up_at, left
        time.sleep(0.05)


def _processes_that_name(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue  # it ended just now
        if text in line:
            found.append(line)
    return found


def test_globs_choose_before_verdicts(tmp_path: Path) -> None:
    """A file that nobody asked for is no skipped file, whatever its name is."""
    repo = tmp_path / "acme" / "odd"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    for name in (b"src/ok.py", b"src/caf\xe9.py", b"doc/caf\xe9.md"):
        path = repo / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "-C", str(repo), "add", "."], check=True)
    subprocess.run(["git", "-C", str(repo), *identity, "commit", "-qm", "odd"], check=True)
    with serving(tmp_path) as url:
        git = source(f"{url}/acme/odd", tmp_path / "s", globs=Globs(["src/*"], []))
        git.prepare(git.resolve())
        found = {entry.key: entry.skip for entry in git.refs()}
        git.close()
    assert found == {"src/ok.py": None, r"src/caf\xe9.py": DocumentReason.NAME_NOT_UTF8}


def test_a_local_path_is_no_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "here")], check=True)
    with pytest.raises(StepError):
        source(f"file://{tmp_path}/here", tmp_path).check()


HOSTILE = (
    *(b"with blank.txt", b"line\nfeed.txt", b'quote".txt', b"tab\t.txt", b"latin-\xfc.txt"),
    *(b"Case.txt", b"case.txt", b".git/config", b".GIT/hooks/x", b"git~1/x", b"-rf", b"a\\b.txt"),
    b"/".join([b"n" * 199] * 20),
)


def test_hostile_names(tmp_path: Path) -> None:
    with served_tree(tmp_path, dict.fromkeys(HOSTILE, b"x\n")) as (url, commit):
        git = source(url, tmp_path)
        git.prepare(commit)
        entries = {e.key: e for e in git.refs()}
        texts = {key: git.open(e, None).body for key, e in entries.items() if e.skip is None}
        git.close()
    assert entries.pop("latin-\\xfc.txt").skip is DocumentReason.NAME_NOT_UTF8
    assert texts == {name.decode(): b"x\n" for name in HOSTILE if b"\xfc" not in name}


def test_a_submodule_is_a_verdict(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"lib/theirs": "0" * 39 + "1", "a.py": b"x = 1\n"}
    with served_tree(tmp_path, files) as (url, commit):
        git = source(url, tmp_path)
        git.prepare(commit)
        verdicts = {entry.key: entry.skip for entry in git.refs()}
    assert verdicts == {"a.py": None, "lib/theirs": DocumentReason.SUBMODULE}
