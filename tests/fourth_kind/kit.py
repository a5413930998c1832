"""Runs programs with the fourth kind, and gives them something to run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from chroma_sync.api.contract import configuration_file
from e2e.kit import objects

ROOT = Path(__file__).resolve().parents[2]
LAPTOP = "fourth_kind chroma_sync.cli.main"
SOURCE: dict[str, Any] = {
    "title": "terms",
    "documents": {
        "bread": "Flour, water, salt and yeast, baked in a hot oven.\n",
        "ledger": "A book of accounts, with a debit for each credit.\n",
        "blank": "",
    },
}


def program(folder: Path, name: str, *arguments: str, given: str = "") -> str:
    """What a program of the fourth kind prints."""
    done = run(folder, name, *arguments, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(
    folder: Path, name: str, *arguments: str, given: str = "", configuration: str = ""
) -> subprocess.CompletedProcess[str]:
    mounted = folder / "configuration"
    shutil.rmtree(mounted, ignore_errors=True)
    mounted.mkdir()
    (mounted / configuration_file(configuration.encode())).write_text(configuration)
    paths = os.pathsep.join(str(ROOT / name) for name in ("operator", "tests"))
    return subprocess.run(
        [sys.executable, "-m", *name.split(), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def of_fourth_kind(run_spec: dict[str, Any], **source: Any) -> list[dict[str, Any]]:
    """A Source and an Invocation."""
    items = objects("")
    del items[0]["spec"]["github"]
    items[0]["spec"]["dictionary"] = SOURCE | source
    items[1]["spec"] |= run_spec
    return items


def operator_side(folder: Path, items: list[dict[str, Any]]) -> dict[str, Any]:
    """What the operator makes of a Source and an Invocation: see the program of that name."""
    items[0]["spec"]["embedding"]["dense"]["model"] = "acme/small"
    said: dict[str, Any] = json.loads(
        program(folder, "fourth_kind.operator_side", given=json.dumps(items))
    )
    return said
