"""A full disk has a reason of its own, whoever meets it."""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.cli.outcome import as_step_error
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.fetch.git.access import Public
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.http import TlsSettings
from chroma_sync.pipeline.fetch.git.remote import Remote
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.ledger import Ledger
from chroma_sync.pipeline.queues import StopSignal


def test_a_database_that_can_not_grow(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger._db.execute("PRAGMA max_page_count = 10")
    with pytest.raises(sqlite3.OperationalError) as caught:
        for n in range(10_000):
            ledger.meet(Ref(f"{n}.py", "1" * 40, 1))
    ledger.close()
    known = as_step_error(caught.value)
    assert isinstance(known, Temporary)
    assert known.reason is Reason.SCRATCH_FULL


def test_a_file_that_can_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_bytes(b"x")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/scratch")
    known = as_step_error(caught.value)
    assert known is not None
    assert known.reason is Reason.SCRATCH_FULL
    assert "spec.jobTemplate.scratchSize" in str(known)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")  # noqa: S108
    assert "/tmp is full" in str(as_step_error(caught.value))  # noqa: S108
    assert "TMPDIR" in str(as_step_error(caught.value))


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), sqlite3.OperationalError("full")])
def test_other_errors_say_nothing_of_a_full_disk(error: Exception) -> None:
    assert as_step_error(error) is None


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ("fatal: write error: No space left on device\nfatal: index-pack failed", True),
        ("error: unable to write file: Disk quota exceeded", True),
        ("fatal: sha1 file 'objects/pack/tmp_idx' write error. Out of diskspace", True),
        ("remote: fatal: write error: No space left on device\nfatal: early EOF", False),
    ],
)
def test_what_git_says(said: str, full: bool) -> None:
    stop = StopSignal()
    remote = Remote(
        *("http://127.0.0.1:1/acme/shop", Public(), TlsSettings(stop)),
        *(HostRetries(), GitCommand(stop)),
    )
    done = subprocess.CompletedProcess([], 128, b"", said.encode())
    try:
        error = remote._explain(done, None)
    except Temporary as unreachable:  # the host is asked what it has
        error = unreachable
    assert isinstance(error, Temporary)
    assert (error.reason is Reason.SCRATCH_FULL) is full
