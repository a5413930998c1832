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

from chroma_sync.api.contract import RETRY_AFTER_MAX
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, RateLimited, StepError, Temporary
from chroma_sync.pipeline.fetch.access import Access, Login
from chroma_sync.pipeline.fetch.git_command import CA_SETTING, GitCommand, GitTimeout
from chroma_sync.pipeline.fetch.http import Trust
from chroma_sync.pipeline.fetch.refusals import explained

# A host's limit lasts for its hour at most; another one may follow at once.
RATE_LIMIT_SECONDS: Final = 2.0 * RETRY_AFTER_MAX
LIST_SECONDS: Final = 60
FETCH_SECONDS: Final = 1800
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


@dataclass(frozen=True)
class Remote:
    """The repository at `url` (http or https). Every method may raise `StepError`."""

    url: str
    access: Access
    trust: Trust
    patience: Patience
    command: GitCommand

    def refs(self, *names: str) -> dict[str, str]:
        """What stands under these full names (all that the host shows when there is none)."""
        lines = self._git("ls-remote", self.url, *names).decode("utf-8", "replace").splitlines()
        return {name: id_ for id_, _, name in (line.partition("\t") for line in lines)}

    def fetch(self, repository: Path, *options: str, wanted: list[str]) -> None:
        """Bring in what is wanted (ids, or `+SOURCE:TARGET`) into a bare repository here."""
        here = ("-C", str(repository), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
        self._git(*here, *options, self.url, *wanted, seconds=FETCH_SECONDS)

    def _git(self, *arguments: str, seconds: int = LIST_SECONDS) -> bytes:
        """Run git, and wait as the host asks, within the patience there is."""
        give_up_at = time.monotonic() + self.patience.seconds
        waited = False
        while True:
            try:
                output = self._once(arguments, seconds)
                break
            except RateLimited as limit:
                if time.monotonic() + limit.seconds > give_up_at:
                    raise
                self.patience.on_wait(str(limit))
                waited = True
                self.patience.sleep(limit.seconds)
        if waited:
            self.patience.on_wait("")
        return output

    def _once(self, arguments: tuple[str, ...], seconds: int) -> bytes:
        login = self.access.login()
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
            settings[f"http.{self.url}.extraHeader"] = f"Authorization: {login.header}"
        if self.trust.ca_file is not None:
            settings[CA_SETTING] = str(self.trust.ca_file)
        return settings

    def _explain(self, done: subprocess.CompletedProcess[bytes], login: Login | None) -> StepError:
        """Why git failed. git itself shows little of what the host said, so it is asked again."""
        said = done.stderr.decode("utf-8", "replace")
        # The repository's own name must not look like a symptom.
        if _NO_COMMIT.search(said.replace(self.url, "")):
            advice = "Check spec.github.refIdentifier of the Invocation."
            message = f"{self.url}: the repository has no such commit. {advice}"
            return Misconfigured(Reason.REF_NOT_FOUND, message)
        headers = {"Authorization": login.header} if login is not None else {}
        question = f"{self.url}/info/refs?service=git-upload-pack"
        answer = self.trust.ask("GET", question, headers)
        refusal = explained(answer, self.url, self.access, time.time())
        if refusal is not None:
            return refusal
        last = said.strip().splitlines()[-1:] or ["git gave no reason"]
        shown = last[0].removeprefix("fatal: ")[:300].rstrip(".")
        message = f"{self.url}: {login.hide(shown) if login is not None else shown}."
        advice = "Check spec.github.baseUrl, and that the host can be reached from here."
        return Temporary(Reason.HOST_UNREACHABLE, f"{message} {advice}")
