"""Git trees and commits written object by object: with any names and any text."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def tree_of(repository: Path, files: Mapping[Any, bytes | str]) -> str:
    """Write a tree with any names, also those that git's own index refuses; a string is a commit of
    a submodule. Returns its id."""
    subprocess.run(["git", "init", "-q", "--bare", str(repository)], check=True)
    folders: dict[bytes, Any] = {}
    for path, data in files.items():
        *above, name = (path if isinstance(path, bytes) else path.encode()).split(b"/")
        folder = folders
        for part in above:
            folder = folder.setdefault(part, {})
        folder[name] = data
    return _write_tree(repository, folders)


def _write_tree(repository: Path, folder: Mapping[bytes, Any]) -> str:
    lines = []
    for name, item in folder.items():
        if isinstance(item, bytes):
            lines.append((name, b"100644 " + name + b"\0", write_object(repository, "blob", item)))
        elif isinstance(item, str):
            lines.append((name, b"160000 " + name + b"\0", item))
        else:
            lines.append((name + b"/", b"40000 " + name + b"\0", _write_tree(repository, item)))
    content = b"".join(head + bytes.fromhex(id_) for _, head, id_ in sorted(lines))
    return write_object(repository, "tree", content)


def flat_tree(repository: Path, entries: Sequence[tuple[bytes, bytes]]) -> str:
    """Write one tree of files with the given names and bytes, as they are: in this order, twice
    where one stands twice, with slashes in them. Returns its id."""
    subprocess.run(["git", "init", "-q", "--bare", str(repository)], check=True)
    content = b"".join(
        b"100644 " + name + b"\0" + bytes.fromhex(write_object(repository, "blob", data))
        for name, data in entries
    )
    return write_object(repository, "tree", content)


def write_object(repository: Path, kind: str, content: bytes) -> str:
    command = ["git", "-C", str(repository), "hash-object", "-w", "--literally", "--stdin"]
    done = subprocess.run([*command, "-t", kind], input=content, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit_of(repository: Path, tree: str, message: str = ".") -> str:
    """A commit of a tree, on the branch main."""
    commit = write_object(repository, "commit", commit_content(tree, message))
    git = ["git", "-C", str(repository), "update-ref", "refs/heads/main", commit]
    subprocess.run(git, check=True)
    return commit


def commit_content(tree: str, message: str) -> bytes:
    who = b"Test <test@example.org> 1700000000 +0000"
    lines = (b"tree %s" % tree.encode(), b"author %s" % who, b"committer %s" % who)
    return b"\n".join((*lines, b"", message.encode(), b""))
