"""The laptop commands as a person types them: real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fakes import repository

COMMAND = [sys.executable, "-m", "chroma_sync.cli.main"]
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
FILES = {
    "src/bake.py": repository.GeneratedFile(
        b'"""Bakes bread."""\n\n\ndef bake(dough):\n    """Bake the dough in a hot oven."""\n'
        b"    return oven(dough, celsius=230)\n"
    ),
    "src/ledger.py": repository.GeneratedFile(
        b'"""Keeps accounts."""\n\n\ndef post(entry):\n    """Post a debit and its credit."""\n'
        b"    return debit(entry), credit(entry)\n"
    ),
    "README.md": repository.GeneratedFile(b"# Shop\n\nBread and accounts.\n"),
}


def objects(url: str, repo: str = "acme/shop", model: str | None = MODEL) -> list[dict[str, Any]]:
    embedding = {"embedding": {"dense": {"model": model}}} if model else {}
    return [
        {
            "apiVersion": "chromasync.dev/v1alpha1",
            "kind": "Source",
            "metadata": {"name": "shop"},
            "spec": {"github": {"repository": repo, "baseUrl": url}, **embedding},
        },
        {
            "apiVersion": "chromasync.dev/v1alpha1",
            "kind": "Invocation",
            "metadata": {"name": "run"},
            "spec": {"sourceRef": {"name": "shop"}, "targetCollectionName": "shop"},
        },
    ]


def written(folder: Path, items: list[dict[str, Any]]) -> list[str]:
    """Write each object to a file of its own. Returns the options that name them."""
    options = []
    for number, item in enumerate(items):
        file = folder / f"{number}.yaml"
        file.write_text(json.dumps(item))
        options += ["-f", str(file)]
    return options


def chroma_sync(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
