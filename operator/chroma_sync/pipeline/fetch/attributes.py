"""What a repository's own `.gitattributes` says of its files.

git itself reads the files, from an index that holds nothing else (git-check-attr(1),
`--cached`): git before 2.40 can't be pointed at a commit, and an index of everything would refuse
names that a hostile repository may have.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch.git_command import GitCommand
from chroma_sync.pipeline.fetch.listing import split_nul

GENERATED: Final = "linguist-generated"
VENDORED: Final = "linguist-vendored"
_UNSPECIFIED: Final = b"unspecified"
_BROKE_OFF: Final = "git could not read the repository's .gitattributes"
_FIELDS: Final = 3  # path, attribute and value, each ended by NUL


def mark(value: bytes) -> bool | None:
    """What an attribute's value says as a mark: yes, no, or nothing at all. As GitHub's linguist
    reads its own attributes, every value but `false` says yes."""
    if value == _UNSPECIFIED:
        return None
    return value not in (b"unset", b"false")


class Attributes:
    """Asks one git process about one path after the other, for the attributes of some `names`."""

    def __init__(
        self,
        command: GitCommand,
        repository: Path,
        revision: str,
        names: Sequence[str],
    ) -> None:
        self._names = names
        self._command = command
        self._here = ("-C", str(repository))
        self._process: subprocess.Popen[bytes] | None = None
        if self._index(revision):
            arguments = ("check-attr", "--cached", "--stdin", "-z", *names)
            self._process = command.start(*self._here, *arguments, stdin=subprocess.PIPE)

    def of(self, path: bytes) -> Mapping[str, bytes]:
        """The attributes' values by name, as git writes them: `set`, `unset`, `unspecified` or the
        text behind the `=`."""
        if self._process is None:
            return dict.fromkeys(self._names, _UNSPECIFIED)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101 - pipes were asked for
        stdin.write(path + b"\0")
        stdin.flush()
        wanted = _FIELDS * len(self._names)
        answer = b""
        while answer.count(b"\0") < wanted:
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                raise Temporary(Reason.INTERNAL_ERROR, _BROKE_OFF)
            answer += part
        values = answer.split(b"\0")[_FIELDS - 1 :: _FIELDS]
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _index(self, revision: str) -> bool:
        """Make the index. Returns whether there is any file of attributes."""
        listing = self._command.start(*self._here, "ls-tree", "-r", "-z", "--full-tree", revision)
        with listing:
            assert listing.stdout is not None  # noqa: S101 - a pipe was asked for
            found = [record for record in split_nul(listing.stdout) if _is_attributes(record)]
        if not found:
            return False
        update = (*self._here, "update-index", "-z", "--index-info")
        with self._command.start(*update, stdin=subprocess.PIPE) as process:
            process.communicate(b"".join(record + b"\0" for record in found))
        if listing.returncode != 0 or process.returncode != 0:
            raise Temporary(Reason.INTERNAL_ERROR, _BROKE_OFF)
        return True


def _is_attributes(record: bytes) -> bool:
    """Whether a listed file is a regular `.gitattributes`, at a path that an index takes."""
    head, _, path = record.partition(b"\t")
    *folders, name = path.split(b"/")
    reserved = any(folder.lower() == b".git" for folder in folders)
    return name == b".gitattributes" and head.startswith(b"100") and not reserved
