"""A Git repository on its host: git's commands that talk to it, with a login where it wants one.

The login goes by environment and only with requests for this one repository, no redirect is
followed, and what git or the host says is shown without it.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from chroma_sync.api.contract import RETRY_AFTER_MAX
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, RateLimited, StepError, Temporary
from chroma_sync.pipeline.fetch.access import Access, Login
from chroma_sync.pipeline.fetch.git_command import CA_SETTING, GitCommand, GitTimeout
from chroma_sync.pipeline.fetch.http import Answer, Trust
from chroma_sync.pipeline.fetch.refusals import explained

# A host's limit lasts for its hour at most; another one may follow at once.
RATE_LIMIT_SECONDS: Final = 2.0 * RETRY_AFTER_MAX
LIST_SECONDS: Final = 60
FETCH_SECONDS: Final = 1800
# The first question of Git's smart HTTP protocol: gitprotocol-http(5).
_REFS: Final = "/info/refs?service=git-upload-pack"
# What git says on stderr, in the C locale, of an object that the host does not give.
_NO_COMMIT: Final = re.compile(
    r"not our ref|couldn't find remote ref|unadvertised object|bad object"
)


@dataclass(frozen=True)
class Patience:
    """How long a host's rate limit is waited for, all in all, and who is told meanwhile: `on_wait`
    gets the host's words, then an empty text when it is over."""

    seconds: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    on_wait: Callable[[str], None] = lambda _: None


class _WantsSuffix(Exception):
    """The host has the repository at its name with `.git` behind it, as GitLab has."""


class Remote:
    """The repository at `url` (http or https). Every method may raise `StepError`."""

    def __init__(
        self, url: str, access: Access, trust: Trust, patience: Patience, command: GitCommand
    ) -> None:
        self.url = url
        self.command = command
        self._access = access
        self._trust = trust
        self._patience = patience
        self._address = url  # what git is given

    def refs(self, *names: str) -> dict[str, str]:
        """What stands under these full names (all that the host shows when there is none)."""
        output = self._git(lambda address: ["ls-remote", address, *names], LIST_SECONDS)
        lines = output.decode("utf-8", "replace").splitlines()
        return {name: id_ for id_, _, name in (line.partition("\t") for line in lines)}

    def fetch(self, repository: Path, *options: str, wanted: list[str]) -> None:
        """Bring in what is wanted (ids, or `+SOURCE:TARGET`) into a bare repository here."""
        here = ["-C", str(repository), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
        self._git(lambda address: [*here, *options, address, *wanted], FETCH_SECONDS)

    def _git(self, arguments: Callable[[str], list[str]], seconds: int) -> bytes:
        """Run git on the repository's address, and wait as the host asks, within the patience there
        is."""
        give_up_at = time.monotonic() + self._patience.seconds
        waited = False
        while True:
            try:
                output = self._once(arguments(self._address), seconds)
                break
            except _WantsSuffix:
                self._address = f"{self.url}.git"
            except RateLimited as limit:
                if time.monotonic() + limit.seconds > give_up_at:
                    raise
                self._patience.on_wait(str(limit))
                waited = True
                self._patience.sleep(limit.seconds)
        if waited:
            self._patience.on_wait("")
        return output

    def _once(self, arguments: list[str], seconds: int) -> bytes:
        login = self._access.login()
        try:
            done = self.command.run(*arguments, seconds=seconds, settings=self._settings(login))
        except GitTimeout:
            message = f"{self.url}: the Git host did not answer within {seconds} seconds"
            raise Temporary(Reason.HOST_UNREACHABLE, message) from None
        if done.returncode != 0:
            raise self._explain(done, login)
        return done.stdout

    def _settings(self, login: Login | None) -> dict[str, str]:
        settings = {}
        if login is not None:
            # Bound to the repository: git sends it nowhere else.
            settings[f"http.{self._address}.extraHeader"] = f"Authorization: {login.header}"
        if self._trust.ca_file is not None:
            settings[CA_SETTING] = str(self._trust.ca_file)
        return settings

    def _explain(
        self, done: subprocess.CompletedProcess[bytes], login: Login | None
    ) -> StepError | _WantsSuffix:
        """Why git failed. git itself shows little of what the host said, so it is asked again."""
        said = done.stderr.decode("utf-8", "replace")
        # The repository's own name must not look like a symptom.
        if _NO_COMMIT.search(said.replace(self.url, "")):
            advice = "Check spec.github.refIdentifier of the Invocation."
            message = f"{self.url}: the repository has no such commit. {advice}"
            return Misconfigured(Reason.REF_NOT_FOUND, message)
        headers = {"Authorization": login.header} if login is not None else {}
        answer = self._trust.ask("GET", f"{self._address}{_REFS}", headers)
        if self._sends_to_suffix(answer):
            return _WantsSuffix()
        refusal = explained(answer, self.url, self._access, time.time())
        if refusal is not None:
            return refusal
        last = said.strip().splitlines()[-1:] or ["git gave no reason"]
        shown = last[0].removeprefix("fatal: ")[:300].rstrip(".")
        message = f"{self.url}: {login.hide(shown) if login is not None else shown}."
        advice = "Check spec.github.baseUrl, and that the host can be reached from here."
        return Temporary(Reason.HOST_UNREACHABLE, f"{message} {advice}")

    def _sends_to_suffix(self, answer: Answer) -> bool:
        """Whether the host sends us to the same address with `.git`, and nowhere else."""
        there = urljoin(f"{self.url}{_REFS}", answer.headers.get("location", ""))
        return (
            answer.is_redirect and self._address == self.url and there == f"{self.url}.git{_REFS}"
        )
