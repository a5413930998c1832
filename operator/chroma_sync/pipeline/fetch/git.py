"""Git over HTTP without a checkout: no path or link of a repository ever touches the disk.

A bare repository on the scratch folder takes one shallow fetch of one commit; `ls-tree` lists it
and one `cat-file --batch` process hands out blobs.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.fetch.attributes import Attributes
from chroma_sync.pipeline.fetch.git_command import GitCommand, GitTimeout
from chroma_sync.pipeline.fetch.globs import Globs
from chroma_sync.pipeline.fetch.listing import split_nul
from chroma_sync.pipeline.fetch.model import Entry
from chroma_sync.pipeline.queues import StopSignal

_LIST_SECONDS = 60
_FETCH_SECONDS = 1800
_FULL_SHA = re.compile(r"[0-9a-f]{40}")

# What git says on stderr, in the C locale, and what it means. The first match wins.
_SYMPTOMS: Sequence[tuple[str, Reason, type[StepError], str]] = (
    (
        r"could not read Username|Authentication failed|returned error: 40[13]",
        Reason.REPOSITORY_NOT_FOUND,
        Misconfigured,
        "the host asks for a login: the repository does not exist or is private. "
        "Check spec.github.repository.",
    ),
    (
        r"not found|returned error: 404|does not appear to be a git repository",
        Reason.REPOSITORY_NOT_FOUND,
        Misconfigured,
        "the host has no such repository. Check spec.github.repository and spec.github.baseUrl.",
    ),
    (
        r"not our ref|couldn't find remote ref|unadvertised object|bad object",
        Reason.REF_NOT_FOUND,
        Misconfigured,
        "the repository has no such commit. Check spec.github.refIdentifier of the Invocation.",
    ),
    (
        r"unable to update url base from redirection|returned error: 30[12378]",
        Reason.REPOSITORY_NOT_FOUND,
        Misconfigured,
        "the host sends us elsewhere: the repository was renamed or moved. "
        "Write its present name into spec.github.repository.",
    ),
)


class GitSource:
    """A repository at `url` (http or https), read at one commit."""

    def __init__(
        self,
        url: str,
        *,
        branch: str | None,
        sha: str | None,
        tag: str | None,
        globs: Globs,
        skipped_marks: Mapping[str, DocumentReason],
        max_file_size: int,
        scratch: Path,
        stop: StopSignal,
    ) -> None:
        self._command = GitCommand(stop)
        self._url = url
        self._branch = branch
        self._sha = sha
        self._tag = tag
        self._globs = globs
        self._skipped_marks = skipped_marks
        self._max_file_size = max_file_size
        self._repository = scratch / "repository.git"
        self._revision = ""
        self._reader: subprocess.Popen[bytes] | None = None

    def resolve(self) -> str:
        if self._sha is not None:
            return self._sha
        ref = self._ref()
        # An annotated tag is an object of its own; what it points at is listed as `TAG^{}`.
        wanted = [f"{ref}^{{}}", ref] if self._tag is not None else [ref]
        output = self._git("ls-remote", "--exit-code", self._url, *wanted, empty_is=ref)
        lines = output.decode("utf-8", "replace").splitlines()
        commits = {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
        found = next((commits[name] for name in wanted if name in commits), "")
        if not _FULL_SHA.fullmatch(found):
            raise self._no_ref(ref)
        return found

    def _ref(self) -> str:
        if self._tag is not None:
            return f"refs/tags/{self._tag}"
        return "HEAD" if self._branch is None else f"refs/heads/{self._branch}"

    def check(self) -> None:
        # A repository without a commit is there all the same, so no ref is asked for.
        self._git("ls-remote", self._url, "HEAD")

    def open(self, revision: str) -> None:
        if not _FULL_SHA.fullmatch(revision):
            raise self._no_ref(revision)
        if self._revision == revision:
            return
        self._repository.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare", str(self._repository))
        self._git(
            *("-C", str(self._repository), "fetch", "--quiet", "--depth", "1", "--no-tags"),
            *("--no-write-fetch-head", self._url, revision),
            seconds=_FETCH_SECONDS,
        )
        self._revision = revision

    def entries(self) -> Iterator[Entry]:
        command = ("-C", str(self._repository), "ls-tree", "-r", "-l", "-z", "--full-tree")
        with ExitStack() as stack:
            attributes = self._attributes(stack) if self._skipped_marks else None
            listing = stack.enter_context(self._command.start(*command, self._revision))
            assert listing.stdout is not None  # noqa: S101 - a pipe was asked for
            try:
                for record in split_nul(listing.stdout):
                    entry = self._entry(record, attributes)
                    if entry is not None:
                        yield entry
            except BaseException:
                listing.kill()
                raise
        if listing.returncode != 0:
            raise Temporary(Reason.INTERNAL_ERROR, "git could not list the fetched commit")

    def read(self, entry: Entry) -> bytes:
        if self._reader is None:
            command = ("-C", str(self._repository), "cat-file", "--batch")
            self._reader = self._command.start(*command, stdin=subprocess.PIPE)
        stdin, stdout = self._reader.stdin, self._reader.stdout
        assert stdin is not None and stdout is not None  # noqa: S101 - pipes were asked for
        stdin.write(entry.version.encode() + b"\n")
        stdin.flush()
        header = stdout.readline().split()
        if len(header) != 3 or int(header[2]) != entry.size:
            raise Temporary(Reason.INTERNAL_ERROR, f"git could not read {entry.key!r}")
        data = stdout.read(entry.size)
        if len(data) != entry.size or stdout.read(1) != b"\n":
            raise Temporary(Reason.INTERNAL_ERROR, f"git broke off while reading {entry.key!r}")
        return data

    def close(self) -> None:
        if self._reader is not None:
            self._reader.kill()
            for pipe in (self._reader.stdin, self._reader.stdout):
                if pipe is not None:
                    pipe.close()
            self._reader.wait()
            self._reader = None

    def _attributes(self, stack: ExitStack) -> Attributes:
        attributes = Attributes(
            self._command, self._repository, self._revision, self._skipped_marks
        )
        stack.callback(attributes.close)
        return attributes

    def _entry(self, record: bytes, attributes: Attributes | None) -> Entry | None:
        head, _, raw_path = record.partition(b"\t")
        mode, _, blob, size = head.decode("ascii").split()
        path = raw_path.decode("utf-8", "backslashreplace")
        if not self._globs.chosen(path):
            return None
        if path.encode() != raw_path:
            return Entry(path, blob, 0, DocumentReason.NOT_UTF8)
        if mode == "120000":
            return Entry(path, blob, 0, DocumentReason.SYMLINK)
        if mode == "160000":
            return Entry(path, blob, 0, DocumentReason.SUBMODULE)
        marked = attributes.verdict(raw_path) if attributes is not None else None
        if marked is not None:
            return Entry(path, blob, int(size), marked)
        if int(size) > self._max_file_size:
            return Entry(path, blob, int(size), DocumentReason.TOO_LARGE)
        return Entry(path, blob, int(size))

    def _git(self, *arguments: str, seconds: int = _LIST_SECONDS, empty_is: str = "") -> bytes:
        """Run one git command. `empty_is`: the ref that is missing when nothing is found."""
        try:
            done = self._command.run(*arguments, seconds=seconds)
        except GitTimeout:
            message = f"{self._url}: the Git host did not answer within {seconds} seconds"
            raise Temporary(Reason.HOST_UNREACHABLE, message) from None
        if done.returncode == 0:
            return done.stdout
        if done.returncode == 2 and empty_is:
            raise self._no_ref(empty_is)
        raise self._explain(done.stderr.decode("utf-8", "replace"))

    def _explain(self, stderr: str) -> StepError:
        # The repository's own name must not look like a symptom.
        said_of_it = stderr.replace(self._url, "")
        for pattern, reason, kind, advice in _SYMPTOMS:
            if re.search(pattern, said_of_it):
                return kind(reason, f"{self._url}: {advice}")
        last = stderr.strip().splitlines()[-1:] or ["git gave no reason"]
        said = last[0].removeprefix("fatal: ")[:300]
        advice = "Check spec.github.baseUrl, and that the host can be reached from here."
        return Temporary(Reason.HOST_UNREACHABLE, f"{self._url}: {said}. {advice}")

    def _no_ref(self, ref: str) -> Misconfigured:
        name = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        kind = "tag" if self._tag is not None else "branch or commit"
        what = "has no commit yet" if ref == "HEAD" else f"has no {kind} {name!r}"
        advice = "Check spec.github.refIdentifier of the Invocation."
        return Misconfigured(Reason.REF_NOT_FOUND, f"{self._url} {what}. {advice}")
