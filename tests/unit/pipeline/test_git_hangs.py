"""A git that hangs as files are listed or read: on a disk that does not answer, say."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_sync.pipeline.errors import Stopped, Temporary
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.fetch.git import command as git_command
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.connector import GitConnector
from chroma_sync.pipeline.fetch.git.process import GitProcess
from chroma_sync.pipeline.queues import StopSignal
from unit.pipeline.git_kit import served_tree, source

FILES = {f"{i}.py": b"x = %d\n" % i for i in range(3)}


@pytest.fixture
def stop() -> StopSignal:
    return StopSignal()


@pytest.fixture
def opened(tmp_path: Path, stop: StopSignal) -> Iterator[GitConnector]:
    with served_tree(tmp_path, FILES) as (url, commit):
        made = source(url, tmp_path, stop=stop)
        made.prepare(commit)
        yield made
        made.close()


def reading(opened: GitConnector) -> Iterator[Ref]:
    """The files, of which the first is read; then git hangs."""
    entries = iter(list(opened.refs()))
    assert opened.open(next(entries), None).body == b"x = 0\n"
    assert opened._reader is not None
    os.kill(opened._reader.pid, signal.SIGSTOP)
    return entries


def test_a_read_is_given_up(opened: GitConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_command, "LOCAL_SECONDS", 0.5)
    entries = reading(opened)
    with pytest.raises(Temporary, match="git was silent for over a minute as it read"):
        opened.open(next(entries), None)


def test_a_stop_ends_a_read(opened: GitConnector, stop: StopSignal) -> None:
    entries = reading(opened)
    threading.Timer(0.3, stop.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        opened.open(next(entries), None)
    assert time.monotonic() - began < 5


def test_a_git_that_ends_as_it_reads(opened: GitConnector) -> None:
    entries = reading(opened)
    assert opened._reader is not None
    os.kill(opened._reader.pid, signal.SIGKILL)
    with pytest.raises(Temporary, match="git ended while it read"):
        opened.open(next(entries), None)


@pytest.fixture
def hangs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start = GitCommand.start

    def started(command: GitCommand, folder: Path, *_arguments: str) -> GitProcess:
        # It waits for a question that nobody asks.
        return start(command, folder, "cat-file", "--batch")

    monkeypatch.setattr(GitCommand, "start", started)


@pytest.mark.usefixtures("hangs_at_once")
def test_a_listing_is_given_up(opened: GitConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_command, "LOCAL_SECONDS", 0.5)
    with pytest.raises(Temporary, match="git was silent for over a minute as it listed"):
        list(opened.refs())


@pytest.mark.usefixtures("hangs_at_once")
def test_a_stop_ends_a_listing(opened: GitConnector, stop: StopSignal) -> None:
    threading.Timer(0.3, stop.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        list(opened.refs())
    assert time.monotonic() - began < 5
