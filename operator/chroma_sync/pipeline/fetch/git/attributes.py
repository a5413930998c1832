"""What a repository's own `.gitattributes` say of its files.

git itself reads the files, from an index that holds nothing else (git-check-attr(1), `--cached`):
git before 2.40 can't be pointed at a commit, and an index of everything would refuse names that a
hostile repository may have.

A pattern can keep git's matcher busy for ever, and a path can kill it. So all is asked once, before
anything is listed, within bounds of time and memory, and every listing reads the same answers.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline import children
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch.git.command import GitCommand
from chroma_sync.pipeline.fetch.git.listing import split_nul
from chroma_sync.pipeline.fetch.git.process import GitEnded, GitProcess, GitTimeout

GENERATED: Final = "linguist-generated"
VENDORED: Final = "linguist-vendored"
ENCODING: Final = "encoding"  # of the file, as gitk(1) and git-gui(1) show it
# Of the file when it is checked out; git itself keeps UTF-8, other writers of a repository may not.
WORKING_TREE_ENCODING: Final = "working-tree-encoding"
_CPU_SECONDS: Final = 60  # of one process
_WALL_SECONDS: Final = 300  # of all of them
_MEMORY: Final = 512 * 1024 * 1024
_FILES_MAX: Final = 10_000  # of attributes
_DEATHS_MAX: Final = 20  # of git, over one path each
_BLOCK: Final = 1 << 16
_FIELDS: Final = 3  # path, attribute and value, each ended by NUL
_UNSPECIFIED: Final = b"unspecified"
_NO_INDEX: Final = "git could not read the repository's .gitattributes"
GIVEN_UP: Final = (
    "The repository's .gitattributes are not heeded: {why}. For lack of their marks nothing that "
    "stands is removed."
)
# The verdicts that attributes can overrule: by a negative mark, or by an encoding.
OVERRULED: Final = frozenset(
    {
        *(DocumentReason.GENERATED, DocumentReason.VENDORED, DocumentReason.ENCODED_DATA),
        *(DocumentReason.NOT_UTF8, DocumentReason.BINARY),
    }
)
_KNOWN: Final = b"known"


def mark(attributes: Mapping[str, bytes], name: str) -> bool | None:
    """What an attribute's value says as a mark: yes, no, or nothing at all. As GitHub's linguist
    reads its own attributes, every value but `false` says yes."""
    value = attributes.get(name, _UNSPECIFIED)
    if value == _UNSPECIFIED:
        return None
    return value not in (b"unset", b"false")


def text(attributes: Mapping[str, bytes], name: str) -> str | None:
    """What stands behind an attribute's `=`, if anything does."""
    value = attributes.get(name, _UNSPECIFIED)
    if value in (b"set", b"unset", _UNSPECIFIED, b""):
        return None
    return value.decode("ascii", "replace")


class GivenUp(Exception):
    """The attributes can't be told within the bounds. `str(error)` says which."""


class Attributes:
    """The values of the attributes `names`, for one path of a listing after the other.

    They stand in a file: for each path whether they are known, and the values."""

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        self._file = file
        self._names = names
        self._unspecified = dict.fromkeys(names, _UNSPECIFIED)
        self._beyond: Mapping[str, bytes] | None = None

    def ask(
        self,
        command: GitCommand,
        repository: Path,
        revision: str,
        paths: Iterable[bytes | None],
    ) -> None:
        """Have git tell of all `paths` of a listing; of None it is not asked. Raises `GivenUp`,
        then nothing is known of any."""
        self._beyond = None
        try:
            with self._file.open("wb") as file:
                if not _index(command, repository, revision):
                    self._beyond = self._unspecified
                    return
                unknown = (b"", *self._unspecified.values())
                with closing(_answers(command, repository, self._names, paths)) as all_values:
                    for values in all_values:
                        record = unknown if values is None else (_KNOWN, *values)
                        file.write(b"".join(field + b"\0" for field in record))
        except GivenUp:
            self._file.write_bytes(b"")
            raise

    def values(self) -> Generator[Mapping[str, bytes] | None, None, None]:
        """For each path of the listing its attributes by name, as git writes them: `set`, `unset`,
        `unspecified` or the text behind the `=`; None where they are unknown. Never ends before the
        listing does."""
        with self._file.open("rb") as file:
            answers = split_nul(iter(lambda: file.read(_BLOCK), b""))
            while record := tuple(islice(answers, 1 + len(self._names))):
                known, *values = record
                yield dict(zip(self._names, values, strict=True)) if known else None
        while True:
            yield self._beyond


def _answers(
    command: GitCommand, repository: Path, names: Sequence[str], paths: Iterable[bytes | None]
) -> Generator[Sequence[bytes] | None, None, None]:
    matcher = _Matcher(command, repository, names)
    try:
        for path in paths:
            yield None if path is None else matcher.ask(path)
    finally:
        matcher.end()


class _Matcher:
    """A process `git check-attr` that is asked about one path after the other. One that dies over a
    path is followed by another."""

    def __init__(self, command: GitCommand, repository: Path, names: Sequence[str]) -> None:
        self._command = command
        self._repository = repository
        self._arguments = ("check-attr", "--cached", "--stdin", "-z", *names)
        self._wanted = _FIELDS * len(names)
        self._deaths = 0
        self._wall_left = float(_WALL_SECONDS)
        self._process: GitProcess | None = None

    def ask(self, path: bytes) -> list[bytes] | None:
        """The values for a path; None when git dies over it. Raises `GivenUp`."""
        process = self._process = self._process or self._started()
        began = time.monotonic()
        process.silence_seconds = self._wall_left
        try:
            process.ask(path + b"\0")
            answer = process.fields(self._wanted, b"\0")
        except GitTimeout:
            raise GivenUp(f"git was not done with them within {_WALL_SECONDS} s") from None
        except GitEnded:
            self._died(process.end())
            return None
        finally:
            self._wall_left -= time.monotonic() - began
        return answer[_FIELDS - 1 :: _FIELDS]

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.end()

    def _died(self, returncode: int) -> None:
        self._process = None
        self._deaths += 1
        if returncode == -signal.SIGXCPU:
            raise GivenUp(f"git takes longer than {_CPU_SECONDS} s to match their patterns")
        if self._deaths > _DEATHS_MAX:
            raise GivenUp(f"git breaks off over more than {_DEATHS_MAX} of the files' names")

    def _started(self) -> GitProcess:
        process = self._command.start(self._repository, *self._arguments, stderr=subprocess.DEVNULL)
        children.limit(process.pid, cpu_seconds=_CPU_SECONDS, memory_bytes=_MEMORY)
        return process


def _index(command: GitCommand, repository: Path, revision: str) -> bool:
    """Make the index. Returns whether there is any file of attributes."""
    listing = ("ls-tree", "-r", "-z", "--full-tree", revision)
    with closing(command.records(repository, *listing)) as all_:
        found = list(islice(filter(_is_attributes, all_), _FILES_MAX + 1))
    if len(found) > _FILES_MAX:
        raise GivenUp(f"there are more than {_FILES_MAX} such files")
    if not found:
        return False
    given = b"".join(record + b"\0" for record in found)
    update = ("update-index", "-z", "--index-info")
    if command.local(repository, *update, given=given).returncode != 0:
        raise Temporary(Reason.INTERNAL_ERROR, _NO_INDEX)
    return True


def _is_attributes(record: bytes) -> bool:
    """Whether a listed file is a regular `.gitattributes`, at a path that an index takes."""
    head, _, path = record.partition(b"\t")
    *folders, name = path.split(b"/")
    refused = any(folder.lower() in (b".git", b"", b".", b"..") for folder in folders)
    return name == b".gitattributes" and head.startswith(b"100") and not refused
