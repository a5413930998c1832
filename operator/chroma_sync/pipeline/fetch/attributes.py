"""What a repository's own `.gitattributes` say of its files.

git itself reads the files, from an index that holds nothing else (git-check-attr(1), `--cached`):
git before 2.40 can't be pointed at a commit, and an index of everything would refuse names that a
hostile repository may have.

A pattern can keep git's matcher busy for ever, and a path can kill it. So all is asked once, before
anything is listed, within bounds of time and memory, and every listing reads the same answers.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Temporary
from chroma_sync.pipeline.fetch.git_command import GitCommand
from chroma_sync.pipeline.fetch.listing import split_nul

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
_TICK_SECONDS: Final = 0.2
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
                if not _index(command, ("-C", str(repository)), revision):
                    self._beyond = self._unspecified
                    return
                unknown = (b"", *self._unspecified.values())
                for values in _told(command, repository, self._names, paths):
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
            told = split_nul(file)
            while record := tuple(islice(told, 1 + len(self._names))):
                known, *values = record
                yield dict(zip(self._names, values, strict=True)) if known else None
        while True:
            yield self._beyond


def _told(
    command: GitCommand, repository: Path, names: Sequence[str], paths: Iterable[bytes | None]
) -> Iterator[Sequence[bytes] | None]:
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
        self._arguments = ("-C", str(repository), "check-attr", "--cached", "--stdin", "-z", *names)
        self._wanted = _FIELDS * len(names)
        self._deaths = 0
        self._wall_left = float(_WALL_SECONDS)
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: bytes) -> list[bytes] | None:
        """The values for a path; None when git dies over it. Raises `GivenUp`."""
        process = self._process = self._process or self._started()
        began = time.monotonic()
        answer = self._answer(process, path, began + self._wall_left)
        self._wall_left -= time.monotonic() - began
        if answer is None:
            self.end()
            self._deaths += 1
            if process.returncode == -signal.SIGXCPU:
                raise GivenUp(f"git takes longer than {_CPU_SECONDS} s to match their patterns")
            if self._deaths > _DEATHS_MAX:
                raise GivenUp(f"git breaks off over more than {_DEATHS_MAX} of the files' names")
            return None
        return answer.split(b"\0")[_FIELDS - 1 :: _FIELDS]

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what it did not read is of no use any more
                    pipe.close()
        process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        process = self._command.start(
            *self._arguments, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if hasattr(resource, "prlimit"):  # of Linux; elsewhere the wall clock alone is the bound
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        return process

    def _answer(
        self, process: subprocess.Popen[bytes], path: bytes, give_up_at: float
    ) -> bytes | None:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101 - pipes were asked for
        try:
            stdin.write(path + b"\0")
            stdin.flush()
        except BrokenPipeError:
            return None
        answer = b""
        while answer.count(b"\0") < self._wanted:
            self._command.check_stop()
            if not select.select([stdout], [], [], _TICK_SECONDS)[0]:
                if time.monotonic() > give_up_at:
                    raise GivenUp(f"git was not done with them within {_WALL_SECONDS} s")
                continue
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                return None
            answer += part
        return answer


def _index(command: GitCommand, here: tuple[str, ...], revision: str) -> bool:
    """Make the index. Returns whether there is any file of attributes."""
    with closing(command.records(*here, "ls-tree", "-r", "-z", "--full-tree", revision)) as all_:
        found = list(islice(filter(_is_attributes, all_), _FILES_MAX + 1))
    if len(found) > _FILES_MAX:
        raise GivenUp(f"there are more than {_FILES_MAX} such files")
    if not found:
        return False
    update = (*here, "update-index", "-z", "--index-info")
    with command.start(*update, stdin=subprocess.PIPE) as process:
        process.communicate(b"".join(record + b"\0" for record in found))
    if process.returncode != 0:
        raise Temporary(Reason.INTERNAL_ERROR, _NO_INDEX)
    return True


def _is_attributes(record: bytes) -> bool:
    """Whether a listed file is a regular `.gitattributes`, at a path that an index takes."""
    head, _, path = record.partition(b"\t")
    *folders, name = path.split(b"/")
    refused = any(folder.lower() in (b".git", b"", b".", b"..") for folder in folders)
    return name == b".gitattributes" and head.startswith(b"100") and not refused
