"""Real source files that a machine with Python on it has; with Go or Node, theirs as well."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chroma_sync.pipeline.extract import language_of

_LARGEST = 1_000_000
# These, every candidate can cut.
_COMPARED = {"c", "go", "javascript", "python", "typescript"}


@dataclass(frozen=True)
class File:
    path: Path
    language: str
    data: bytes

    @cached_property
    def text(self) -> str:
        return self.data.decode()


def roots() -> list[Path]:
    """The trees there are: Python's library and headers, Go's source, Node's global packages, and
    C's headers."""
    python = sysconfig.get_paths()
    found = [Path(python["stdlib"]), Path(python["include"]), Path("/usr/include")]
    for command, below in ((("go", "env", "GOROOT"), "src"), (("npm", "root", "--global"), ".")):
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        found.append(Path(told.stdout.strip()) / below)
    return [root for root in found if root.is_dir()]


def files(root: Path) -> Iterator[File]:
    """Every UTF-8 file of a known language under `root`, without installed Python packages."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - {"site-packages", "__pycache__"})
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_file() or not 0 < path.stat().st_size <= _LARGEST:
                continue
            data = path.read_bytes()
            language = language_of(name, data[:4096])
            if language is not None and _is_utf8(data):
                yield File(path, language, data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def sample(megabytes_each: float) -> list[File]:
    """For each compared language about as many megabytes, spread evenly over what there is."""
    by_language: defaultdict[str, list[File]] = defaultdict(list)
    for root in roots():
        for file in files(root):
            if file.language in _COMPARED:
                by_language[file.language].append(file)
    return [
        file
        for language in sorted(by_language)
        for file in _spread(by_language[language], megabytes_each * 1e6)
    ]


def _spread(files: list[File], size: float) -> list[File]:
    step = max(1, int(sum(len(file.data) for file in files) / size))
    return files[::step]
