"""A Git host in trouble is waited for, as Chroma and TEI are, while the retries lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.fetch import host_retries
from chroma_sync.pipeline.fetch.git import command as git_command
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from fakes.git_host import GitHost, PacksInSilence, PacksSlowly, Unwell
from fakes.running import running
from fakes.trees import commit_of, tree_of
from unit.pipeline.git_kit import source


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    shop = tmp_path / "root" / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    commit_of(shop, tree_of(shop, {"a.py": b"x = 1\n"}))
    with running(GitHost(("127.0.0.1", 0), tmp_path / "root", Unwell)) as server:
        yield server


def url_of(host: GitHost) -> str:
    return f"http://127.0.0.1:{host.server_port}/acme/shop"


class Told:
    """Who is told what."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.slept: list[float] = []

    def retries(self, seconds: float) -> HostRetries:
        return HostRetries(outage_seconds=seconds, sleep=self.slept.append, waits=self._waits)

    def _waits(self, reason: Reason) -> Callable[[str], None]:
        assert reason is Reason.HOST_UNREACHABLE
        return self.words.append


# git's own request, and ours that asks why.
@pytest.mark.parametrize("trouble", [[502], [502, 502], [503, 503, 504, 504], [500]])
def test_a_host_in_trouble_is_waited_for(host: GitHost, tmp_path: Path, trouble: list[int]) -> None:
    told = Told()
    git = source(url_of(host), tmp_path, branch="main", retries=told.retries(60))
    host.trouble = list(trouble)
    git.prepare(git.resolve())
    assert [e.key for e in git.refs()] == ["a.py"]
    assert told.words[-1] == "" and "HTTP status 50" in told.words[0]
    assert all(0 < pause <= 5 for pause in told.slept)


def test_without_patience_it_is_told_at_once(host: GitHost, tmp_path: Path) -> None:
    host.trouble = [502, 502]
    with pytest.raises(Temporary, match="HTTP status 502"):
        source(url_of(host), tmp_path, branch="main").resolve()


def test_patience_ends(host: GitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_retries, "_BACKOFF_LAST", 0.2)
    host.trouble = [502] * 1000
    with pytest.raises(Temporary, match="HTTP status 502"):
        source(
            url_of(host), tmp_path, branch="main", retries=HostRetries(outage_seconds=1)
        ).resolve()
    assert len(host.trouble) < 1000 - 2 * 2  # it was asked more than once


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_host_that_was_well_before_is_in_trouble(
    host: GitHost, tmp_path: Path, status: int
) -> None:
    """A proxy that starts anew, say. At the first question the same words are final."""
    told = Told()
    git = source(url_of(host), tmp_path, branch="main", retries=told.retries(60))
    host.trouble = [status, status]
    with pytest.raises(Misconfigured):
        git.resolve()
    assert not told.words
    commit = git.resolve()
    host.trouble = [status, status]
    git.prepare(commit)
    assert told.words[-1] == "" and len(told.words) == 2


@pytest.mark.parametrize("handler", [PacksSlowly, PacksInSilence])
def test_a_host_that_packs_lives_while_it_gives_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: type[PacksSlowly]
) -> None:
    monkeypatch.setitem(git_command._SETTINGS, "http.lowSpeedTime", "3")
    shop = tmp_path / "root" / "acme" / "shop"
    shop.parent.mkdir(parents=True)
    commit_of(shop, tree_of(shop, {"a.py": b"x = 1\n"}))
    with running(GitHost(("127.0.0.1", 0), tmp_path / "root", handler)) as server:
        git = source(url_of(server), tmp_path, branch="main")
        revision = git.resolve()
        if handler is PacksSlowly:
            git.prepare(revision)
            assert [e.key for e in git.refs()] == ["a.py"]
        else:
            with pytest.raises(Temporary, match="Less than 1 bytes/sec"):
                git.prepare(revision)
