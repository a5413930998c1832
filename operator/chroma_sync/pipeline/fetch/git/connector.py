"""Git over HTTP without a checkout: no path or link of a repository ever touches the disk.

A bare repository on the scratch folder takes one shallow fetch of one commit; `ls-tree` lists it
and one `cat-file --batch` process hands out blobs.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path

from chroma_sync.api.reasons import DocumentReason, Reason
from chroma_sync.pipeline.errors import Misconfigured, RevisionGone, Temporary
from chroma_sync.pipeline.fetch.connector import Opened, Ref
from chroma_sync.pipeline.fetch.git.attributes import (
    ENCODING,
    GENERATED,
    GIVEN_UP,
    OVERRULED,
    VENDORED,
    WORKING_TREE_ENCODING,
    Attributes,
    GivenUp,
    mark,
    text,
)
from chroma_sync.pipeline.fetch.git.globs import Globs
from chroma_sync.pipeline.fetch.git.listing import Listed, listed
from chroma_sync.pipeline.fetch.git.process import GitEnded, GitProcess, GitTimeout
from chroma_sync.pipeline.fetch.git.remote import CHECK_REF, Remote
from chroma_sync.pipeline.fetch.scope import EVERYTHING, Scope
from chroma_sync.pipeline.fetch.worth import judged

_BRANCHES_SHOWN = 5
# 40 digits; 64 in a repository of SHA-256.
_SHA256_DIGITS = 64
_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_NOTHING_CHOSEN = "no file of the repository is chosen: check includeGlobs and excludeGlobs."


class GitConnector:
    """A repository on its host, read at one commit: that of at most one of `branch`, `sha` and
    `tag`; without any, of the default branch. `sha` may be abbreviated. `included` are those of
    `GENERATED` and `VENDORED` that are read all the same."""

    lanes = 1  # one process hands the blobs out

    def __init__(
        self,
        remote: Remote,
        *,
        branch: str | None,
        sha: str | None,
        tag: str | None,
        globs: Globs,
        included: AbstractSet[DocumentReason],
        max_file_size: int,
        scratch: Path,
    ) -> None:
        self._remote = remote
        self._command = remote.command
        self._branch = branch
        self._sha = sha
        self._tag = tag
        self._globs = globs
        self._included = included
        self._max_file_size = max_file_size
        self._scratch = scratch
        self._repository = scratch / "repository.git"
        self._revision = ""
        self._attributes: Attributes | None = None
        self._given_up: list[str] = []
        self._any_chosen = True
        self._reader: GitProcess | None = None

    def resolve(self) -> str:
        if self._sha is not None:
            return self._commit(self._sha)
        ref = self._ref()
        # An annotated tag is an object of its own; what it points at is listed as `TAG^{}`.
        wanted = [f"{ref}^{{}}", ref] if self._tag is not None else [ref]
        commits = self._remote.refs(*wanted)
        found = next((commits[name] for name in wanted if name in commits), "")
        if not _FULL_SHA.fullmatch(found):
            raise self._no_ref(ref)
        return found

    def _ref(self) -> str:
        if self._tag is not None:
            return f"refs/tags/{self._tag}"
        return "HEAD" if self._branch is None else f"refs/heads/{self._branch}"

    def _commit(self, sha: str) -> str:
        """The commit that a SHA means: 40 digits are a whole one, or abbreviate one of 64."""
        ids = self._remote.refs("HEAD") or self._remote.refs()
        one = next(iter(ids.values()), sha)
        if len(sha) < len(one):
            return self._whole(sha, _object_format(one))
        if len(sha) > len(one) or not self._is_present(sha):
            raise self._no_ref(sha)
        return sha

    def _is_present(self, sha: str) -> bool:
        """Whether a commit is there: it is brought here, without any file."""
        options = ["--filter=tree:0", "--depth", "1"]
        return self._found(sha, options, [sha], _object_format(sha)).returncode == 0

    def _whole(self, short: str, object_format: str) -> str:
        """The one commit that begins so. Git's protocol knows whole ids only, so all commits of
        branches and tags are brought here, without any file (partial clone; a host that can't do
        that sends the files too)."""
        # Under names of our own: a branch may be called as the commit begins.
        everything = [f"+refs/{kind}/*:refs/all/{kind}/*" for kind in ("heads", "tags")]
        found = self._found(short, ["--filter=tree:0"], everything, object_format)
        whole = found.stdout.decode("ascii", "replace").strip()
        if b"ambiguous" in found.stderr:
            message = f"more than one commit that begins with {short!r}. Write more of its digits."
            raise self._no_commit(message)
        if found.returncode != 0 or not whole.startswith(short):
            raise self._no_commit(f"no commit that begins with {short!r}. {CHECK_REF}")
        return whole

    def _found(
        self, name: str, options: list[str], wanted: list[str], object_format: str
    ) -> subprocess.CompletedProcess[bytes]:
        """What git says of a commit's name where all that is wanted was brought."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as commits:
            self._init(Path(commits), object_format)
            self._remote.fetch(Path(commits), *options, wanted=wanted)
            verify = ("rev-parse", "--verify", f"{name}^{{commit}}")
            return self._command.local(Path(commits), *verify)

    def check(self) -> None:
        # A repository without a commit is there all the same, so no ref is asked for.
        self._remote.refs("HEAD")

    def prepare(self, revision: str) -> None:
        if not _FULL_SHA.fullmatch(revision):
            raise self._no_ref(revision)
        if self._revision == revision:
            return
        self._init(self._repository, _object_format(revision))
        try:
            self._remote.fetch(self._repository, "--depth", "1", wanted=[revision])
        except Misconfigured as error:
            if error.reason is not Reason.REF_NOT_FOUND or self._sha is not None:
                raise
            # It was there a moment ago: the branch or tag was moved, and the host tidied up.
            raise RevisionGone(error.reason, str(error)) from None
        commit = f"{revision}^{{commit}}"
        if self._command.local(self._repository, "cat-file", "-e", commit).returncode != 0:
            raise self._no_ref(revision)
        self._revision = revision
        self._attributes, self._given_up = None, []

    def refs(self) -> Generator[Ref, None, None]:
        attributes = self._attributes_of_all()
        self._any_chosen = False
        with closing(self._records()) as records:
            for record, values in zip(records, attributes, strict=False):
                if self._globs.chosen(record.path):
                    self._any_chosen = True
                    yield self._ref_of(record, values)

    def scope(self) -> Scope:
        return EVERYTHING

    def notes(self) -> list[str]:
        nothing = [] if self._any_chosen else [_NOTHING_CHOSEN]
        return [*self._globs.unmatched(), *self._given_up, *nothing]

    def open(self, ref: Ref, known: str | None) -> Opened:
        if self._reader is None:
            self._reader = self._command.start(self._repository, "cat-file", "--batch")
        try:
            return Opened(ref, self._blob(self._reader, ref))
        except GitEnded:
            message = f"git ended while it read {ref.key!r}"
            raise Temporary(Reason.INTERNAL_ERROR, message) from None
        except GitTimeout:
            message = f"git was silent for over a minute as it read {ref.key!r}"
            raise Temporary(Reason.INTERNAL_ERROR, message) from None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.end()
            self._reader = None

    def _blob(self, reader: GitProcess, ref: Ref) -> bytes:
        """The bytes of a listed file: its version is their id, and the listing has their size."""
        reader.ask(f"{ref.version}\n".encode())
        header = reader.fields(1, b"\n")[0].split()
        if len(header) != 3 or int(header[2]) != ref.size:
            raise Temporary(Reason.INTERNAL_ERROR, f"git could not read {ref.key!r}")
        return reader.exactly(int(header[2]) + 1)[:-1]

    def _records(self) -> Generator[Listed, None, None]:
        command = ("ls-tree", "-r", "-l", "-z", "--full-tree", self._revision)
        with closing(self._command.records(self._repository, *command)) as records:
            yield from map(listed, records)

    def _attributes_of_all(self) -> Iterator[Mapping[str, bytes] | None]:
        """The attributes of each record of the listing; None where they are unknown."""
        if self._attributes is None:
            asked = (GENERATED, VENDORED, ENCODING, WORKING_TREE_ENCODING)
            attributes = Attributes(self._scratch / "attributes", asked)
            with closing(self._records()) as records:
                paths = (record.raw_path if self._asks_for(record) else None for record in records)
                try:
                    attributes.ask(self._command, self._repository, self._revision, paths)
                except GivenUp as why:
                    self._given_up = [GIVEN_UP.format(why=why)]
            self._attributes = attributes
        return self._attributes.values()

    def _asks_for(self, record: Listed) -> bool:
        return record.verdict is None and self._globs.chosen(record.path)

    def _ref_of(self, record: Listed, attributes: Mapping[str, bytes] | None) -> Ref:
        """A record with what the listing, its attributes and its name say of it."""
        verdict = record.verdict
        if verdict is not None:
            return Ref(record.path, record.blob, record.size, verdict)
        said = attributes or {}
        marks = {
            DocumentReason.GENERATED: mark(said, GENERATED),
            DocumentReason.VENDORED: mark(said, VENDORED),
        }
        verdict, despite = judged(record.path, marks, self._included)
        if verdict is None and record.size > self._max_file_size:
            verdict = DocumentReason.TOO_LARGE
        encoding = text(said, ENCODING) or text(said, WORKING_TREE_ENCODING)
        doubted = frozenset() if attributes is not None else OVERRULED
        return Ref(record.path, record.blob, record.size, verdict, despite, encoding, doubted)

    def _init(self, repository: Path, object_format: str) -> None:
        repository.mkdir(parents=True, exist_ok=True)
        # Without a template: nothing is copied that nobody reads.
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
        if self._command.local(repository, *init).returncode != 0:
            raise Temporary(Reason.INTERNAL_ERROR, "git could not make a repository on scratch")

    def _no_ref(self, ref: str) -> Misconfigured:
        if ref == "HEAD":
            return self._no_commit(self._without_default_branch())
        if self._tag is not None:
            advice = _advice(self._tag, "refs/tags/")
            return self._no_commit(f"no tag {self._tag!r} of a commit. {advice}")
        if self._branch is not None:
            advice = _advice(self._branch, "refs/heads/")
            return self._no_commit(f"no branch {self._branch!r}. {advice}")
        return self._no_commit(f"no commit {ref!r}. {CHECK_REF}")

    def _without_default_branch(self) -> str:
        """What a repository has whose HEAD names a branch that is not there."""
        heads = "refs/heads/"
        names = [
            n.removeprefix(heads) for n in self._remote.refs(f"{heads}*") if n.startswith(heads)
        ]
        if not names:
            return "no commit yet. Push a first one."
        shown = ", ".join(repr(name) for name in names[:_BRANCHES_SHOWN])
        more = f", and {len(names) - _BRANCHES_SHOWN} more" if len(names) > _BRANCHES_SHOWN else ""
        return (
            f"no default branch: its HEAD names one that is not there. There are {shown}{more}. "
            "Name one in spec.github.refIdentifier of the Invocation, or correct the HEAD."
        )

    def _no_commit(self, what: str) -> Misconfigured:
        message = f"{self._remote.url}: the repository has {what}"
        return Misconfigured(Reason.REF_NOT_FOUND, message)


def _object_format(id_: str) -> str:
    """The hash that a repository's ids are made with."""
    return "sha256" if len(id_) == _SHA256_DIGITS else "sha1"


def _advice(name: str, folder: str) -> str:
    """What to do about a branch or tag that is not there. Names go without the folder of refs that
    git's own listings show."""
    short = name.removeprefix(folder)
    return CHECK_REF if short == name else f"{CHECK_REF} Write {short!r} there."
