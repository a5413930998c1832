"""A Git repository on its host: git's commands that talk to it, with a login where it wants one.

The login goes by environment and only with requests for this one repository, no redirect is
followed, and what git or the host says is shown without it.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary, Unusable
from chroma_sync.pipeline.fetch.git.access import Access, Login
from chroma_sync.pipeline.fetch.git.command import CA_SETTING, GitCommand
from chroma_sync.pipeline.fetch.git.failures import explained
from chroma_sync.pipeline.fetch.git.http import Answer, TlsSettings
from chroma_sync.pipeline.fetch.git.process import GitTimeout
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.scratch import git_found_it_full, scratch_full

LIST_SECONDS: Final = 60
FETCH_SECONDS: Final = 1800
CHECK_REF: Final = "Check spec.github.refIdentifier of the Invocation."
_STATUS: Final = re.compile(r"(?:returned error:|HTTP) (\d{3})\b")
# The first question of Git's smart HTTP protocol: gitprotocol-http(5).
_REFS: Final = "/info/refs?service=git-upload-pack"
# What git says on stderr, in the C locale, of an object that the host does not give.
_TELLING: Final = ("fatal:", "error:", "remote: fatal:", "remote: error:")
# What git itself finds in objects that it has here, whose ids are their hashes: tree-walk.c.
_NO_TREE: Final = re.compile(
    r"^(?:fatal|error): ((?:empty filename|malformed mode) in tree entry|too-short tree \w+)",
    re.MULTILINE,
)
_NO_COMMIT: Final = re.compile(r"not our ref|couldn't find remote ref|unadvertised object")


def no_other_authorities(ca_file: Path) -> Path:
    """An empty folder beside a file of authorities."""
    return ca_file.with_name("no-other-authorities")


class _AskAgain(Exception):
    """git met something that is put right now."""


class Remote:
    """The repository at `url` (http or https). Every method may raise `StepError`."""

    def __init__(
        self, url: str, access: Access, tls: TlsSettings, retries: HostRetries, command: GitCommand
    ) -> None:
        self.url = url
        self.command = command
        self._access = access
        self._tls = tls
        self._retries = retries
        self._address = url  # what git is given
        self._new_login = False

    def refs(self, *names: str) -> dict[str, str]:
        """What stands under these full names (all that the host shows when there is none)."""
        output = self._retries.call(lambda: self._listed(names))
        lines = output.decode("utf-8", "replace").splitlines()
        return {name: id_ for id_, _, name in (line.partition("\t") for line in lines)}

    def fetch(self, repository: Path, *options: str, wanted: list[str]) -> None:
        """Bring in what is wanted (ids, or `+SOURCE:TARGET`) into a bare repository here."""
        here = ["-C", str(repository), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
        self._retries.call(lambda: self._git([*here, *options], wanted, FETCH_SECONDS))

    def _listed(self, names: Sequence[str]) -> bytes:
        output = self._git(["ls-remote"], names, LIST_SECONDS)
        if not output:
            self._see_that_it_is_git()
        return output

    def _git(self, command: Sequence[str], wanted: Sequence[str], seconds: int) -> bytes:
        """Run git on the repository's address, and once more where that puts it right."""
        while True:
            with suppress(_AskAgain):
                return self._once([*command, self._address, *wanted], seconds)

    def _once(self, arguments: list[str], seconds: int) -> bytes:
        login = self._access.login()
        try:
            done = self.command.run(*arguments, seconds=seconds, settings=self._settings(login))
        except GitTimeout:
            message = f"{self.url}: the Git host was not done within {seconds} seconds."
            raise Temporary(Reason.HOST_UNREACHABLE, message) from None
        if done.returncode != 0:
            raise self._explain(done, login)
        return done.stdout

    def _settings(self, login: Login | None) -> dict[str, str]:
        settings = {}
        if login is not None:
            # Bound to the repository: git sends it nowhere else.
            settings[f"http.{self._address}.extraHeader"] = f"Authorization: {login.header}"
        if self._tls.ca_file is not None:
            settings[CA_SETTING] = str(self._tls.ca_file)
            # No others: some builds of git look into the system's folder as well.
            settings["http.sslCAPath"] = str(no_other_authorities(self._tls.ca_file))
        return settings

    def _explain(
        self, done: subprocess.CompletedProcess[bytes], login: Login | None
    ) -> StepError | _AskAgain:
        """Why git failed. git itself shows little of what the host said, so it is asked again."""
        said = done.stderr.decode("utf-8", "replace")
        if git_found_it_full(said):
            return scratch_full()
        unreadable = _NO_TREE.search(said)
        if unreadable:
            message = f"{self.url}: {_CORRUPT.format(why=unreadable[1])}"
            return Unusable(Reason.REPOSITORY_CORRUPT, message)
        # The repository's own name must not look like a symptom.
        said_of_it = said.replace(self.url, "")
        if _NO_COMMIT.search(said_of_it):
            message = f"{self.url}: the repository has no such commit. {CHECK_REF}"
            return Misconfigured(Reason.REF_NOT_FOUND, message)
        answer = self._question(login)
        if self._puts_right(answer):
            return _AskAgain()
        refusal = explained(answer, self.url, self._access, time.time())
        status = _STATUS.search(said_of_it)
        if refusal is None and status is not None:
            # What git met is over already, or stands in the way of its later questions only.
            met = Answer(int(status[1]), {}, said.encode())
            refusal = explained(met, self.url, self._access, time.time())
        if refusal is not None:
            return refusal
        lines = [line.strip() for line in said.splitlines() if line.startswith(_TELLING)]
        shown = " ".join(lines or ["it gave no reason"])[:500]
        hidden = login.hide(shown) if login is not None else shown
        message = f"{self.url}: git broke off: {hidden.rstrip('.')}."
        return Temporary(Reason.HOST_UNREACHABLE, message)

    def _question(self, login: Login | None) -> Answer:
        """Ask what git asks first."""
        headers = {"Authorization": login.header} if login is not None else {}
        answer = self._tls.ask("GET", f"{self._address}{_REFS}", headers)
        if login is None:
            return answer
        return replace(answer, body=login.hide(answer.text).encode())

    def _see_that_it_is_git(self) -> None:
        """What lists nothing is an empty repository, or no Git host."""
        answer = self._question(self._access.login())
        refusal = explained(answer, self.url, self._access, time.time())
        if refusal is not None:
            raise refusal

    def _puts_right(self, answer: Answer) -> bool:
        """Whether it is worth it to ask once more, in another way: at the same address with `.git`
        behind it, if that is where the host sends us, as GitLab does; or with a new login, when the
        host no longer takes one that it issued."""
        if self._address == self.url and answer.is_redirect:
            wanted = f"{self.url}.git{_REFS}"
            location = answer.headers.get("location", "")
            if location in (wanted, wanted.removeprefix(_origin(wanted))):
                self._address = f"{self.url}.git"
                return True
        if answer.status == 401 and self._access.is_app and not self._new_login:
            self._new_login = True
            self._access.forget()
            return True
        return False


_CORRUPT: Final = (
    "the commit holds a folder that git can't read ({why}). Push a commit without it, or name "
    "another commit."
)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
