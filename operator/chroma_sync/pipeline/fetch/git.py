"""Git over HTTP without a checkout: no path or link of a repository ever touches the disk.

A bare repository on the scratch folder takes one shallow fetch of one commit; `ls-tree` lists it
and one `cat-file --batch` process hands out blobs. git runs without the user's configuration,
without prompts, and with http and https only.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.fetch.globs import Globs
from chroma_sync.pipeline.fetch.model import Entry

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
        r"redirect",
        Reason.REPOSITORY_NOT_FOUND,
        Misconfigured,
        "the host sends us elsewhere: the repository was renamed or moved. "
        "Write its present name into spec.github.repository.",
    ),
)


class GitSource:
    """A repository at `url` (http or https), read at one commit.

    git runs in sessions of its own, so that Ctrl-C at a terminal reaches only the run itself."""

    def __init__(
        self,
        url: str,
        *,
        branch: str | None,
        sha: str | None,
        globs: Globs,
        max_file_size: int,
        scratch: Path,
    ) -> None:
        self._url = url
        self._branch = branch
        self._sha = sha
        self._globs = globs
        self._max_file_size = max_file_size
        self._repository = scratch / "repository.git"
        self._revision = ""
        self._reader: subprocess.Popen[bytes] | None = None

    def resolve(self) -> str:
        if self._sha is not None:
            return self._sha
        ref = "HEAD" if self._branch is None else f"refs/heads/{self._branch}"
        output = self._git("ls-remote", "--exit-code", self._url, ref, empty_is=ref)
        for line in output.decode("utf-8", "replace").splitlines():
            commit, _, name = line.partition("\t")
            if name == ref and _FULL_SHA.fullmatch(commit):
                return commit
        raise self._no_ref(ref)

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
        with subprocess.Popen(
            ["git", *command, self._revision],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        ) as listing:
            assert listing.stdout is not None  # noqa: S101 - a pipe was asked for
            try:
                for record in _split_nul(listing.stdout):
                    entry = self._entry(record)
                    if entry is not None:
                        yield entry
            except GeneratorExit:
                listing.kill()
                raise
        if listing.returncode != 0:
            raise Temporary(Reason.INTERNAL_ERROR, "git could not list the fetched commit")

    def read(self, entry: Entry) -> bytes:
        if self._reader is None:
            self._reader = subprocess.Popen(
                ["git", "-C", str(self._repository), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
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

    def _entry(self, record: bytes) -> Entry | None:
        head, _, raw_path = record.partition(b"\t")
        mode, _, blob, size = head.decode("ascii").split()
        try:
            path = raw_path.decode("utf-8")
        except UnicodeDecodeError:
            shown = raw_path.decode("utf-8", "backslashreplace")
            return Entry(shown, blob, 0, DocumentReason.NOT_UTF8)
        if not self._globs.chosen(path):
            return None
        if mode == "120000":
            return Entry(path, blob, 0, DocumentReason.SYMLINK)
        if mode == "160000":
            return Entry(path, blob, 0, DocumentReason.SUBMODULE)
        if int(size) > self._max_file_size:
            return Entry(path, blob, int(size), DocumentReason.TOO_LARGE)
        return Entry(path, blob, int(size))

    def _git(self, *arguments: str, seconds: int = _LIST_SECONDS, empty_is: str = "") -> bytes:
        """Run one git command. `empty_is`: the ref that is missing when nothing is found."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"{self._url}: the Git host did not answer within {seconds} seconds"
            raise Temporary(Reason.HOST_UNREACHABLE, message) from None
        except FileNotFoundError:
            raise Misconfigured(Reason.INTERNAL_ERROR, "git is not installed here") from None
        if done.returncode == 0:
            return done.stdout
        if done.returncode == 2 and empty_is:
            raise self._no_ref(empty_is)
        raise self._explain(done.stderr.decode("utf-8", "replace"))

    def _explain(self, stderr: str) -> StepError:
        for pattern, reason, kind, advice in _SYMPTOMS:
            if re.search(pattern, stderr):
                return kind(reason, f"{self._url}: {advice}")
        last = stderr.strip().splitlines()[-1:] or ["git gave no reason"]
        return Temporary(Reason.HOST_UNREACHABLE, f"{self._url}: {last[0][:300]}")

    def _no_ref(self, ref: str) -> Misconfigured:
        name = ref.removeprefix("refs/heads/")
        what = "has no commit yet" if ref == "HEAD" else f"has no branch or commit {name!r}"
        advice = "Check spec.github.refIdentifier of the Invocation."
        return Misconfigured(Reason.REF_NOT_FOUND, f"{self._url} {what}. {advice}")


def _environment() -> dict[str, str]:
    """git's environment: none of the user's settings, no prompts, http and https only."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or "SSL" in k}
    settings = {
        "http.followRedirects": "false",
        # Give up on a host that sends less than 1 kB/s for a minute.
        "http.lowSpeedLimit": "1000",
        "http.lowSpeedTime": "60",
        "gc.auto": "0",
    }
    numbered = enumerate(settings.items())
    config = {f"GIT_CONFIG_{part}_{i}": pair[p] for i, pair in numbered for p, part in _PARTS}
    return {
        **kept,
        **config,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https",
        "LC_ALL": "C",
    }


_PARTS = ((0, "KEY"), (1, "VALUE"))


def _split_nul(stream: IO[bytes], block: int = 1 << 16) -> Iterator[bytes]:
    rest = b""
    while data := stream.read(block):
        *whole, rest = (rest + data).split(b"\0")
        yield from whole
    if rest:
        raise Temporary(Reason.INTERNAL_ERROR, "git's listing broke off")
