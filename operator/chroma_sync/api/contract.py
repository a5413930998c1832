"""The contract between the operator and its pods. Nothing else crosses between them.

Operator to pod: the name of a step as the only argument, and one `Configuration` as JSON in a
mounted file. Secrets come by mount. Pod to operator: an exit code, one `Result` as JSON in the
termination message, and `GET /progress`, the same `Result` while the step still runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, TypeGuard, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import from_json

from chroma_sync.api.exit_code import ExitCode as ExitCode
from chroma_sync.api.invocation import (
    COUNT_MAX,
    ChunkCounts,
    CollectionStatus,
    Count,
    DocumentCounts,
    Failure,
    Shown,
)
from chroma_sync.api.meta import ApiModel
from chroma_sync.api.secret_keys import SecretKey as SecretKey
from chroma_sync.api.secret_keys import SecretUse as SecretUse

# Where a pod finds its configuration: this folder holds one file, see `configuration_file`.
CONFIGURATION: Final = PurePosixPath("/var/run/chroma-sync/configuration")
# An Indexed Job's pods read their own index from the variable that Kubernetes sets.
INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"
PROGRESS_PORT: Final = 8081
PROGRESS_MAX_BYTES: Final = 65_536
TERMINATION_LOG: Final = PurePosixPath("/dev/termination-log")
# Kubernetes cuts a termination message at 4,096 bytes; ours stays well below.
RESULT_MAX_BYTES: Final = 3_500
NAME_MAX: Final = 200
REASON_MAX: Final = 64
REVISION_MAX: Final = 256
SEAL_MAX: Final = 100
FAILURES_MAX: Final = 20
NOTES_MAX: Final = 10
SKIP_REASONS_MAX: Final = 32
RETRY_AFTER_MAX: Final = 3_600  # seconds; no host's limit lasts longer than its hour
SCRATCH: Final = PurePosixPath("/scratch")
SECRETS: Final = PurePosixPath("/var/run/chroma-sync/secrets")

_Reason = Annotated[str, Field(max_length=REASON_MAX)]

C = TypeVar("C", DocumentCounts, ChunkCounts)


class Step(StrEnum):
    """What a pod does. `run` is plan, work and finish in one pod."""

    CHECK = "check"
    RUN = "run"
    PLAN = "plan"
    WORK = "work"
    FINISH = "finish"


def configuration_file(configuration: bytes) -> str:
    """The name of the file with a configuration, which tells what it must hold. The name comes of
    the Job, which nobody can change. A ConfigMap can be deleted and made again by others, who would
    lead the pod's Secrets elsewhere."""
    return f"{hashlib.sha256(configuration).hexdigest()}.json"


def secret_file(use: SecretUse, key: SecretKey) -> PurePosixPath:
    """Where a pod finds one key of a mounted Secret. Secrets are mounted as optional: the file is
    missing when the Secret or the key is, and the worker itself says so."""
    return SECRETS / use.value / key.value


class Result(ApiModel):
    """What a step came to, or has come to so far."""

    reason: _Reason = ""  # a Reason; empty while all is well
    message: str = ""
    # How long a server asks to be left alone; 0 when it asks nothing.
    retry_after_seconds: int = Field(default=0, ge=0, le=RETRY_AFTER_MAX)
    revision: str | None = Field(default=None, max_length=REVISION_MAX)
    # Of a pod of `work`: what it has judged, for `finish`. Only pods understand it.
    seal: str = Field(default="", max_length=SEAL_MAX)
    documents: DocumentCounts = Field(default_factory=DocumentCounts)
    skipped: dict[_Reason, Count] = Field(default_factory=dict, max_length=SKIP_REASONS_MAX)
    chunks: ChunkCounts = Field(default_factory=ChunkCounts)
    bytes: Count = 0
    collection: CollectionStatus | None = None
    failures: list[Failure] = Field(default_factory=list, max_length=FAILURES_MAX)
    notes: list[Shown] = Field(default_factory=list, max_length=NOTES_MAX)


def encode_result(result: Result) -> bytes:
    """Make the JSON for a termination message of at most `RESULT_MAX_BYTES` bytes.

    Long names and messages are cut first, then failures and notes are left out from the end; counts
    stay."""
    short = result.model_copy(
        update={
            "message": _cut(result.message, 1_000),
            "failures": [
                Failure(
                    document=_cut(f.document, NAME_MAX),
                    reason=f.reason,
                    message=_cut(f.message, NAME_MAX),
                )
                for f in result.failures[:FAILURES_MAX]
            ],
            "notes": [_cut(note, NAME_MAX) for note in result.notes],
        }
    )
    while len(encoded := _dump(short)) > RESULT_MAX_BYTES:
        if short.failures:
            short = short.model_copy(update={"failures": short.failures[:-1]})
        elif short.notes:
            short = short.model_copy(update={"notes": short.notes[:-1]})
        elif short.message:
            short = short.model_copy(
                update={"message": _cut(short.message, len(short.message) // 2)}
            )
        else:
            raise ValueError("a result of counts alone is over its size limit")
    return encoded


def decode_result(data: bytes | str) -> Result | None:
    """Read a termination message or a progress answer. None when it is not a whole JSON object: a
    pod that was killed leaves nothing, or the end of its log.

    What another release's worker adds is left out. What is over its bounds costs itself: lists and
    texts are cut, and what is no count counts nothing."""
    try:
        said = from_json(data)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    try:
        return Result.model_validate(said, extra="ignore")
    except ValidationError:
        return _within_bounds(said)


def _within_bounds(said: dict[str, Any]) -> Result:
    """What can be used of a result. What names something is read whole or not at all, for a part of
    it would name something else."""
    revision = said.get("revision")
    try:
        collection = CollectionStatus.model_validate(said.get("collection"), extra="ignore")
    except ValidationError:
        collection = None
    return Result(
        reason=_text(said.get("reason"))[:REASON_MAX],
        message=_text(said.get("message")),
        retry_after_seconds=min(_count(said.get("retryAfterSeconds")), RETRY_AFTER_MAX),
        seal=seal if len(seal := _text(said.get("seal"))) <= SEAL_MAX else "",
        revision=revision if 0 < len(_text(revision)) <= REVISION_MAX else None,
        documents=_counts(DocumentCounts, said.get("documents")),
        skipped=dict(list(_skipped(said.get("skipped")))[:SKIP_REASONS_MAX]),
        chunks=_counts(ChunkCounts, said.get("chunks")),
        bytes=_count(said.get("bytes")),
        collection=collection,
        failures=[f for item in _list(said.get("failures")) if (f := _failure(item))][
            :FAILURES_MAX
        ],
        notes=[note for note in _list(said.get("notes")) if isinstance(note, str)][:NOTES_MAX],
    )


def _failure(said: object) -> Failure | None:
    fields = _object(said)
    document, reason = _text(fields.get("document")), _text(fields.get("reason"))
    if not document or not reason:
        return None
    message = _text(fields.get("message"))
    return Failure(document=document, reason=reason[:REASON_MAX], message=message)


def _skipped(said: object) -> Iterator[tuple[str, int]]:
    for reason, number in _object(said).items():
        if len(reason) <= REASON_MAX and _is_count(number):
            yield reason, _count(number)


def _counts(model: type[C], said: object) -> C:
    fields = _object(said)
    return model(**{name: _count(fields.get(name)) for name in model.model_fields})


def _count(said: object) -> int:
    return min(said, COUNT_MAX) if _is_count(said) else 0


def _is_count(said: object) -> TypeGuard[int]:
    return isinstance(said, int) and not isinstance(said, bool) and said >= 0


def _object(said: object) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _list(said: object) -> list[Any]:
    return said if isinstance(said, list) else []


def _text(said: object) -> str:
    return said if isinstance(said, str) else ""


def merge_results(results: list[Result]) -> Result:
    """Sum up the shards of one run. The first reason, message, revision and collection stand."""

    def total(counts: list[dict[str, int]]) -> dict[str, int]:
        keys = list(dict.fromkeys(key for count in counts for key in count))[:SKIP_REASONS_MAX]
        return {key: _sum(count.get(key, 0) for count in counts) for key in keys}

    first = next((r for r in results if r.reason), None)
    return Result(
        reason=first.reason if first else "",
        message=first.message if first else "",
        revision=next((r.revision for r in results if r.revision), None),
        documents=DocumentCounts(**total([r.documents.model_dump() for r in results])),
        skipped=total([r.skipped for r in results]),
        chunks=ChunkCounts(**total([r.chunks.model_dump() for r in results])),
        bytes=_sum(r.bytes for r in results),
        collection=next((r.collection for r in results if r.collection), None),
        failures=[f for r in results for f in r.failures][:FAILURES_MAX],
        # Each shard lists the whole source, so their notes are the same.
        notes=list(dict.fromkeys(note for r in results for note in r.notes))[:NOTES_MAX],
    )


def _sum(counts: Iterable[int]) -> int:
    return min(sum(counts), COUNT_MAX)


def _dump(result: Result) -> bytes:
    return result.model_dump_json(by_alias=True, exclude_defaults=True).encode()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
