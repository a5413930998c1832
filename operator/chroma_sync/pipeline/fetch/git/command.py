"""git as a child process: none of the user's settings, no prompts, http and https only, and an end
when the run stops."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline import children
from chroma_sync.pipeline.errors import Misconfigured, Temporary
from chroma_sync.pipeline.fetch.git.process import GitProcess, GitTimeout
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.scratch import has_no_room, scratch_full

LOCAL_SECONDS: Final = 60  # of a command that talks to nobody, and of silence
_TICK_SECONDS: Final = 0.2
_SETTINGS: Final = {
    "http.followRedirects": "false",
    # Give up on a host that sends nothing for a minute. One that is still packing sends its sign of
    # life, five bytes, every five seconds (uploadpack.keepAlive in git-config(1)): curl takes that
    # for 1 byte/s. How slow a host may be, the time for the whole command bounds.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "gc.auto": "0",
    # Nothing is checked out, so names that other systems read as `.git` do no harm.
    "core.protectHFS": "false",
    "core.protectNTFS": "false",
}
CA_SETTING: Final = "http.sslCAInfo"
CA_VARIABLE: Final = "GIT_SSL_CAINFO"
_NOT_KEPT: Final = ("GIT_", "SSH_ASKPASS", "XDG_CONFIG_HOME")
_PARTS: Final = ((0, "KEY"), (1, "VALUE"))


class GitCommand:
    """Starts git."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop

    def run(
        self, *arguments: str, seconds: float, settings: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command that talks to http and https hosts to its end. `settings` hold for this
        command alone and go by environment, so that no list of processes shows them. Raises
        `GitTimeout`, or `Stopped` when the run stops."""
        return self._run(arguments, seconds, settings, None)

    def local(
        self, folder: Path, *arguments: str, given: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command that talks to nobody to its end, in a folder on scratch, and give it
        something to read. Raises `Temporary` when the disk is full or too slow, and `Stopped`."""
        try:
            done = self._run(("-C", str(folder), *arguments), LOCAL_SECONDS, None, given)
        except GitTimeout:
            message = f"git took longer than {LOCAL_SECONDS} seconds on the scratch folder"
            raise Temporary(Reason.INTERNAL_ERROR, message) from None
        # git does not always say why it could not write.
        if done.returncode != 0 and has_no_room(folder):
            raise scratch_full()
        return done

    def _run(
        self,
        arguments: Sequence[str],
        seconds: float,
        settings: Mapping[str, str] | None,
        given: bytes | None,
    ) -> subprocess.CompletedProcess[bytes]:
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        process = self._start(arguments, stdin, subprocess.PIPE, settings)
        with process:
            try:
                output, errors = self._outcome(process, given, time.monotonic() + seconds)
            except BaseException:
                children.kill(process)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def start(self, folder: Path, *arguments: str, stderr: int | None = None) -> GitProcess:
        """Start a command that talks to nobody, in a folder on scratch, to be asked and read."""
        process = self._start(("-C", str(folder), *arguments), subprocess.PIPE, stderr, None)
        return GitProcess(process, self._stop, LOCAL_SECONDS)

    def records(self, folder: Path, *arguments: str) -> Generator[bytes, None, None]:
        """What a command lists with `-z`. Raises `Temporary` when it does not come to its end, and
        `Stopped`; close the iterator to end it sooner."""
        process = self.start(folder, *arguments)
        try:
            for record in process.records():
                self._stop.check()
                yield record
            returncode = process.wait()
        except GitTimeout:
            message = "git was silent for over a minute as it listed the commit"
            raise Temporary(Reason.INTERNAL_ERROR, message) from None
        finally:
            process.end()
        if returncode != 0:
            raise Temporary(Reason.INTERNAL_ERROR, "git could not list the fetched commit")

    def _start(
        self,
        arguments: Sequence[str],
        stdin: int,
        stderr: int | None,
        settings: Mapping[str, str] | None,
    ) -> subprocess.Popen[bytes]:
        try:
            return children.start(
                ["git", *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_environment(settings),
            )
        except FileNotFoundError:
            raise Misconfigured(Reason.INTERNAL_ERROR, "git is not installed here") from None

    def _outcome(
        self, process: subprocess.Popen[bytes], given: bytes | None, give_up_at: float
    ) -> tuple[bytes, bytes]:
        while True:
            self._stop.check()
            try:
                return process.communicate(given, timeout=_TICK_SECONDS)
            except subprocess.TimeoutExpired:
                given = None  # it is on its way
                if time.monotonic() > give_up_at:
                    raise GitTimeout from None


def as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings of git as git-config(1) takes them from the environment."""
    numbered = enumerate(settings.items())
    pairs = {f"GIT_CONFIG_{part}_{i}": pair[p] for i, pair in numbered for p, part in _PARTS}
    return {"GIT_CONFIG_COUNT": str(len(settings)), **pairs}


def _environment(own: Mapping[str, str] | None) -> dict[str, str]:
    settings = {**_SETTINGS, **(own or {})}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_KEPT)}
    # A user's authorities count, unless the Source names its own.
    if CA_SETTING not in settings and CA_VARIABLE in os.environ:
        kept[CA_VARIABLE] = os.environ[CA_VARIABLE]
    return {
        **kept,
        **as_environment(settings),
        # No .netrc, no attributes of the user's.
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https" if own is not None else "",
        "LC_ALL": "C",
    }
