"""The kind `Invocation`: one run over a Source into one Chroma collection."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from chroma_sync.api.conditions import Condition
from chroma_sync.api.kinds.union import RunMembers
from chroma_sync.api.meta import (
    ApiModel,
    ApiObject,
    CollectionName,
    ObjectMeta,
    ObjectName,
    Rule,
    Unique,
    never_changes,
    section,
)
from chroma_sync.api.shown import visible

_MEMBERS = tuple(RunMembers.model_fields)
_IMMUTABLE = "never changes: delete the Invocation and apply another one"


class SourceReference(ApiModel):
    """The Source of a run."""

    name: ObjectName = Field(
        description="Name of a Source in the same namespace. Example: my-repository."
    )


class InvocationSpec(RunMembers):
    """What to run. Nothing here changes later but `cancel` and `ttlSecondsAfterFinished`."""

    source_ref: SourceReference = Field(description="The Source to run over.")
    target_collection_name: CollectionName | None = Field(
        default=None,
        description="The Chroma collection to write to, 3 to 128 characters. Left out: the "
        "collectionName of the Source, where it has one.",
    )
    target_policy: Literal["Create", "Update"] | None = Field(
        default=None,
        description="Create: the collection is made or continued, and a finished one is refused; "
        "the default. Update: a finished collection of the same Source is brought to the new state "
        "in place; what runs over a Source with a collectionName always do.",
    )
    allow_mass_delete: bool = Field(
        default=False,
        description="Let this run remove more documents than the Source's maxDeletePercent says.",
    )
    cancel: bool = Field(
        default=False,
        description="Set to true to stop the run, waiting or running. It can't be taken back.",
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        ge=0,
        le=2_147_483_647,
        description="Delete this Invocation so many seconds after it has finished; the collection "
        "stays. Left out: it is kept. Example: 86400.",
    )

    rules: ClassVar = (
        never_changes("sourceRef", f"sourceRef {_IMMUTABLE}", required=True),
        never_changes("targetCollectionName", f"targetCollectionName {_IMMUTABLE}"),
        never_changes("targetPolicy", f"targetPolicy {_IMMUTABLE}"),
        *(never_changes(member, f"{member} {_IMMUTABLE}") for member in _MEMBERS),
        Rule(
            "cancel",
            "cancel can't be taken back: apply another Invocation to run again",
            "!oldSelf.cancel || self.cancel",
        ),
        Rule(
            "",
            f"at most one of {' and '.join(_MEMBERS)} may be set in spec: a run has one Source",
            " + ".join(f"(has(self.{member}) ? 1 : 0)" for member in _MEMBERS) + " <= 1",
            lambda spec: sum(getattr(spec, member) is not None for member in _MEMBERS) <= 1,
        ),
    )


# Up to the largest whole number that every reader of JSON takes exactly.
COUNT_MAX = 2**53 - 1
_SHOWN_MAX = 1024  # characters of a text of others
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]


class DocumentCounts(ApiModel):
    """Documents of a run by what became of them."""

    discovered: Count = Field(default=0, description="Documents that the Source lists so far.")
    indexed: Count = Field(default=0, description="Documents written by this run.")
    unchanged: Count = Field(
        default=0, description="Documents that stood in the collection already, as they are."
    )
    removed: Count = Field(
        default=0, description="Documents taken out, for the Source has them no more."
    )
    skipped: Count = Field(default=0, description="Documents left out, such as binary files.")
    failed: Count = Field(default=0, description="Documents that could not be indexed.")
    kept: Count = Field(
        default=0,
        description="Documents that could not be indexed, and stand as an earlier run left them.",
    )


class ChunkCounts(ApiModel):
    """Chunks of a run by what became of them."""

    produced: Count = Field(default=0, description="Chunks cut from documents.")
    embedded: Count = Field(default=0, description="Chunks embedded by a model.")
    reused: Count = Field(
        default=0, description="Chunks whose vector was taken over from an earlier run."
    )
    written: Count = Field(default=0, description="Chunks written to Chroma.")


class CollectionStatus(ApiModel):
    """The collection that a run writes to."""

    name: str = Field(max_length=512, description="Name of the collection.")
    id: str = Field(default="", max_length=64, description="The id that Chroma gave it.")
    records: Count = Field(default=0, description="Records that it holds.")


def _shown(text: Any) -> Any:
    # What names a document may be as long as a hostile repository likes, and hold anything.
    return visible(text)[:_SHOWN_MAX] if isinstance(text, str) else text


# Text of others for people: control characters are written out, and a long one is cut.
Shown = Annotated[str, Field(max_length=_SHOWN_MAX), BeforeValidator(_shown)]


class Failure(ApiModel):
    """A document that could not be indexed."""

    document: Shown = Field(description="Key of the document, such as its path.")
    reason: str = Field(max_length=64, description="Why, in one word. Example: EmbeddingRejected.")
    message: Shown = Field(default="", description="Why, in a sentence.")


class FinishedShards(ApiModel):
    """What those pods of a run came to that share its documents and have ended well."""

    indexes: list[Annotated[int, Field(ge=0, le=99)]] = Field(
        default_factory=list,
        max_length=100,
        description="Completion indexes of the pods that are counted here.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    seals: list[Annotated[str, Field(max_length=100)]] = Field(
        default_factory=list,
        max_length=100,
        description="What each of these pods has judged, for the step that finishes the run.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    documents: DocumentCounts = section(DocumentCounts, "Their documents.")
    skipped: dict[str, Count] | None = Field(
        default=None, max_length=32, description="Their skipped documents by reason."
    )
    chunks: ChunkCounts = section(ChunkCounts, "Their chunks.")
    bytes: Count = Field(default=0, description="Size of their indexed documents, in bytes.")
    failures: list[Failure] = Field(
        default_factory=list,
        max_length=20,
        description="Documents of theirs that could not be indexed, the first 20.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class InvocationStatus(ApiModel):
    """How far the run is, and how it ended."""

    observed_generation: int = Field(
        default=-1, ge=-1, description="The generation of the spec that this status is about."
    )
    conditions: Annotated[list[Condition], Unique("type")] = Field(
        default_factory=list,
        max_length=8,
        description="Succeeded sums up; Reconciling: it waits or runs; Stalled: it needs a person.",
    )
    configuration: dict[str, Any] | None = Field(
        default=None,
        description="The whole configuration, fixed when the run was admitted. All its steps use "
        "this copy.",
    )
    revision: str | None = Field(
        default=None, max_length=256, description="What is read. Example: a branch's commit."
    )
    documents: DocumentCounts = section(
        DocumentCounts,
        "Documents by what became of them; asked for every five seconds while the run goes.",
    )
    skipped: dict[str, Count] | None = Field(
        default=None, max_length=32, description="Skipped documents by reason."
    )
    chunks: ChunkCounts = section(ChunkCounts, "Chunks by what became of them.")
    bytes: Count = Field(default=0, description="Size of the indexed documents, in bytes.")
    start_time: str | None = Field(
        default=None,
        max_length=32,
        description="When the run was admitted.",
        json_schema_extra={"format": "date-time"},
    )
    waiting_since: str | None = Field(
        default=None,
        max_length=32,
        description="Since when the run, which has not begun, waits for what its conditions tell.",
        json_schema_extra={"format": "date-time"},
    )
    starting_since: str | None = Field(
        default=None,
        max_length=32,
        description="Since when the run waits for a pod to start; startTimeoutSeconds counts from "
        "here. Left out: a pod is at work, or a queue holds the run.",
        json_schema_extra={"format": "date-time"},
    )
    completion_time: str | None = Field(
        default=None,
        max_length=32,
        description="When the run ended, in whatever way.",
        json_schema_extra={"format": "date-time"},
    )
    collection: CollectionStatus | None = Field(
        default=None, description="The collection that the run writes to."
    )
    failures: list[Failure] = Field(
        default_factory=list,
        max_length=20,
        description="Documents that could not be indexed, the first 20 of them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    notes: list[Shown] = Field(
        default_factory=list,
        max_length=10,
        description="What is worth knowing of the run beside its documents. Example: a pattern of "
        "includeGlobs that matches no file.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    updated_at: str | None = Field(
        default=None,
        max_length=32,
        description="When the counts last changed. Workers are asked for them every five seconds.",
        json_schema_extra={"format": "date-time"},
    )
    finished_shards: FinishedShards | None = Field(
        default=None,
        description="Counts of the pods that have ended well, where several share the documents: "
        "a pod may be gone before the run ends. They are part of the counts above.",
    )
    attempts: Count = Field(default=0, description="Pods that failed and were followed by others.")


class Invocation(ApiObject):
    """One run over a Source into one Chroma collection."""

    api_version: Literal["chromasync.dev/v1alpha1"]
    kind: Literal["Invocation"]
    metadata: ObjectMeta
    spec: InvocationSpec = Field(description="What to run.")
    status: InvocationStatus = Field(
        default_factory=InvocationStatus, description="How far the run is, and how it ended."
    )
