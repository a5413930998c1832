"""Runs the test bed's command line, as a person would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "testbed.py"
RUN_SECONDS = 600


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), *arguments]


def run(
    *arguments: str, state: Path | None = None, check: bool = True, text: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run one command of the test bed, on the cluster at `state` or the default one."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        input=text,
        env=environment(state),
        timeout=RUN_SECONDS,
    )
    if check and done.returncode:
        pytest.fail(f"testbed {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def environment(state: Path | None) -> dict[str, str]:
    return {**os.environ} | ({"CHROMA_SYNC_CLUSTER_DIR": str(state)} if state else {})


def require_machine() -> None:
    """Skip, saying why, where no cluster can run; fail there under CI."""
    done = run("check", check=False)
    if done.returncode == 3 and os.environ.get("CI") != "true":
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
