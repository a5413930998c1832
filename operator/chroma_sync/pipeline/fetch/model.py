"""What a source yields: entries to list, and bytes to read."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.pipeline.fetch.patience import Patience
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Ref:
    """One document of a source at one revision, before its bytes are read.

    `key` names it for people and decides its record ids. `version` changes exactly when its bytes
    do (a blob id, an ETag). `size` is in bytes. `skip` is a verdict that the listing alone gives.
    `despite` are verdicts on its text that do not count, as someone says so; `encoding` is the name
    of the one that the text is said to be in. `doubted` are verdicts that may be wrong, as what
    could overrule them is unknown: what stands of the document stays then.
    """

    key: str
    version: str
    size: int
    skip: DocumentReason | None = None
    despite: frozenset[DocumentReason] = frozenset()
    encoding: str | None = None
    doubted: frozenset[DocumentReason] = frozenset()

    @property
    def state(self) -> str:
        """What decides "unchanged": the bytes, and how they are taken, which they don't tell."""
        said = sorted(self.despite) + ([self.encoding] if self.encoding is not None else [])
        return " ".join((self.version, *said))


@dataclass(frozen=True)
class Means:
    """What a connector works with. `stop` ends what it has under way; `scratch` is a folder of the
    run's own; `patience` is how long its host is waited for."""

    scratch: Path
    stop: StopSignal
    secrets: Secrets
    patience: Patience


class Connector(Protocol):
    """A place documents come from. Every method may raise `StepError`. The package of its kind has
    a function `connect`, which makes one of the kind's member of a Source's spec, that of an
    Invocation's (or None), and `Means`."""

    def resolve(self) -> str:
        """Turn what the run asks for (a branch, nothing) into a fixed revision."""

    def check(self) -> None:
        """See that the place exists and may be read."""

    def prepare(self, revision: str) -> None:
        """Get ready to list and read that revision."""

    def refs(self) -> Generator[Ref, None, None]:
        """List the documents of the opened revision that the globs choose, in a fixed order. It may
        hold a process and files: whoever does not read all of it closes it."""

    def notes(self) -> Sequence[str]:
        """What a person should know of the last listing, once it has come to its end."""

    def read(self, entry: Ref) -> bytes:
        """Read one listed document whole. Its size was checked by the listing."""

    def close(self) -> None:
        """End child processes."""
