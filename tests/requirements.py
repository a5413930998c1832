"""`make requirements`: choose new versions for all pinned requirements.

The files hold names, versions and hashes, never the address of a registry.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "pyproject.toml", "--quiet"]
OPTIONS = [
    *("--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
    *("--custom-compile-command", "make requirements"),
]
FILES = {
    "images/operator/requirements.txt": ("operator",),
    "images/worker/requirements.txt": ("worker", "documents"),
    "tests/fakes/requirements.txt": ("worker", "laptop", "fakes"),
    "tests/requirements.txt": ("operator", "worker", "documents", "laptop", "fakes", "dev"),
}

for file, extras in FILES.items():
    chosen = [part for extra in extras for part in ("--extra", extra)]
    print(f"choosing versions for {file} ...")
    subprocess.run([*UV, *OPTIONS, *chosen, "--output-file", file], cwd=ROOT, check=True)
