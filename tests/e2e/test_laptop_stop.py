"""Runs that are stopped, and go on."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from e2e.kit import COMMAND, chroma_sync, objects, written


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
