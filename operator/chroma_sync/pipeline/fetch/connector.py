"""What a source is to a run: a connector that names documents and opens them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chroma_sync.api.reasons import DocumentReason
from chroma_sync.api.record_keys import Value
from chroma_sync.pipeline.body import Body
from chroma_sync.pipeline.fetch.host_retries import HostRetries
from chroma_sync.pipeline.fetch.scope import Scope
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Ref:
    """A document as its source names it, before its bytes are read.

    `key` names it for people and decides its record ids. `version` changes exactly when its bytes
    do (a blob id, an ETag); None where only opening tells. `size` is in bytes, None where only
    opening tells. `skip` is a verdict that the listing alone gives. `despite` are verdicts on its
    text that do not count, as someone says so; `encoding` is the name of the one that the text is
    said to be in. `doubted` are verdicts that may be wrong, as what could overrule them is unknown:
    what stands of the document stays then. `media_type` is what its source says that it is.
    `own_id` is an id of the document's own: its record ids begin with it, and not with the hash of
    its key. Only where Sources share a collection. `metadata` goes onto each of its records (see
    `api.record_keys.metadata_problem`); null stands for no value.
    """

    key: str
    version: str | None
    size: int | None
    skip: DocumentReason | None = None
    despite: frozenset[DocumentReason] = frozenset()
    encoding: str | None = None
    doubted: frozenset[DocumentReason] = frozenset()
    media_type: str | None = None
    own_id: str | None = None
    metadata: Mapping[str, Value | None] = field(default_factory=dict)

    def state(self, version: str) -> str:
        """What decides "unchanged": the bytes, and how they are taken, which they don't tell."""
        said = (self.encoding, self.media_type, self._on_records())
        return " ".join((version, *sorted(self.despite), *(one for one in said if one is not None)))

    def _on_records(self) -> str | None:
        """What stands on the records beside the text: a short hash, None of nothing. An id of a
        document's own does not tell its key."""
        if self.own_id is None and not self.metadata:
            return None
        values = {key: value for key, value in self.metadata.items() if value is not None}
        said = json.dumps([self.own_id and self.key, values], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Opened:
    """A document and its bytes. `ref` is complete by now: its version is known, and is another than
    the listing gave where the document was changed since then. Where the listing gave none its key
    may be another too. A body in a file is the stream's from then on, and goes with extraction."""

    ref: Ref
    body: Body


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A document is still of the version that is known of it."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document is not indexed, on purpose. One that was listed and is gone by now is `GONE`."""

    reason: DocumentReason


@dataclass(frozen=True, slots=True)
class Kept:
    """A document can't be read now, and that tells nothing of it: what stands of it stays. Where
    nothing does it has failed, with this `reason` and `message`."""

    reason: DocumentReason
    message: str


Outcome = Opened | Unchanged | Skipped | Kept


@dataclass(frozen=True)
class Means:
    """What a connector works with. `stop` ends what it has under way; `scratch` is a folder of the
    run's own; `retries` is how long its host is waited for."""

    scratch: Path
    stop: StopSignal
    secrets: Secrets
    retries: HostRetries


class Connector(Protocol):
    """A place documents come from. Every method may raise `StepError`. The package of its kind has
    a function `connect`, which makes one of the kind's member of a Source's spec, that of an
    Invocation's (or None), and `Means`. `lanes` is how many documents may be opened at once: `open`
    is called from so many threads, and nothing else meanwhile."""

    lanes: int

    def resolve(self) -> str:
        """Turn what the run asks for (a branch, nothing) into a fixed revision."""

    def check(self) -> None:
        """See that the place exists and may be read."""

    def prepare(self, revision: str) -> None:
        """Get ready to list and read that revision."""

    def refs(self) -> Generator[Ref, None, None]:
        """List the documents of the prepared revision that the run wants, in a fixed order. It may
        hold a process and files: whoever does not read all of it closes it."""

    def scope(self) -> Scope:
        """What the list speaks for: a document in this scope that it lacks is gone."""

    def notes(self) -> Sequence[str]:
        """What a person should know of the last listing, once it has come to its end."""

    def open(self, ref: Ref, known: str | None) -> Outcome:
        """Read one listed document whole. `known`: its version that stands in the target as it is
        to stand, where the listing gave none; only then may the answer be `Unchanged`."""

    def close(self) -> None:
        """End child processes."""
