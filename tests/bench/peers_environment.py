"""Other chunkers, in an environment of their own: what they need does not go with what we need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent.parent / "build" / "peers"
_PINS = Path(__file__).with_name("peers.txt")
_PYTHON = _FOLDER / "bin" / "python"
_REASONS = _FOLDER / "not-installed"

_NEEDED = "tree-sitter", "tree-sitter-language-pack"
PEERS = (
    *("chonkie[code]", "cocoindex", "langchain-text-splitters"),
    *("llama-index-core", "semantic-text-splitter"),
)


def python() -> Path:
    """The interpreter of the environment, which is made first unless it stands.

    Each peer is installed by itself, so that one which has no build for this machine does not keep
    out the others.
    """
    ready = _FOLDER / ".ready"
    if ready.exists() and ready.stat().st_mtime > _PINS.stat().st_mtime:
        return _PYTHON
    print("installing the peers (about a minute) ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_FOLDER)], check=True)
    _REASONS.mkdir()
    _install(*_NEEDED).check_returncode()
    for package in PEERS:
        done = _install(package)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            (_REASONS / package).write_text(errors[-1] if errors else "pip failed")
    ready.touch()
    return _PYTHON


def _install(*packages: str) -> subprocess.CompletedProcess[str]:
    options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    return subprocess.run(
        [_PYTHON, "-m", "pip", "install", *options, "-c", _PINS, *packages],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def missing() -> dict[str, str]:
    """Which peers could not be installed, and why."""
    return {file.name: file.read_text() for file in _REASONS.glob("*")}


if __name__ == "__main__":
    python()
