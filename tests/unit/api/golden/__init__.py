"""What crosses between releases, as files: the objects with their status, what a worker is given,
and what it gives back.

`v0.1.0` is what that release writes: no later one may fail to read it. `next` is a made-up newer
release. Nobody changes a file of a release that is out; a release adds its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RELEASES = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name[0] != "_")


def golden(release: str, name: str) -> dict[str, Any]:
    """One file."""
    found: dict[str, Any] = json.loads((HERE / release / f"{name}.json").read_text("utf-8"))
    return found
