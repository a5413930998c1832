"""The kind `Source`: where data lives, how to chunk it, and which model embeds it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from chroma_sync.api.conditions import Condition
from chroma_sync.api.job_template import JobTemplate, Resources, Toleration
from chroma_sync.api.kinds.origin import names
from chroma_sync.api.kinds.union import KINDS, SourceMembers
from chroma_sync.api.meta import (
    ApiModel,
    ApiObject,
    HttpUrl,
    ObjectMeta,
    Rule,
    SecretReference,
    Unique,
    never_changes,
    rule_error,
    section,
    shape,
)

__all__ = [
    "ChromaTarget",
    "Chunking",
    "DenseEmbedding",
    "Embedding",
    "EmbeddingTask",
    "HistoryLimits",
    "JobTemplate",
    "Resources",
    "Schedule",
    "Source",
    "SourceSpec",
    "SourceStatus",
    "SparseEmbedding",
    "Toleration",
]

LINES_DEFAULT: Final = 10

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"


class ChromaTarget(ApiModel):
    """A Chroma server other than the operator's default one."""

    url: HttpUrl = Field(
        description="Address of the server. Example: http://chroma.chroma.svc:8000."
    )
    tenant: Annotated[
        str,
        Field(min_length=1, max_length=128),
        shape("[A-Za-z0-9][A-Za-z0-9._-]*", "must hold letters, digits, '.', '_' and '-' only"),
    ] = Field(
        default="default_tenant", description="Tenant of the database. Default: default_tenant."
    )
    token_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret whose key token opens the server. Left out: the server wants none.",
    )


class EmbeddingTask(ApiModel):
    """Instructions for models that take one with each text, such as Qwen3."""

    task_name: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="A name for these instructions. Example: nl_to_code."
    )
    document_prompt: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Instruction for documents. Left out: none."
    )
    query_prompt: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None,
        description="Instruction for queries. Left out: none. Example: Retrieve the code that "
        "answers the question.",
    )


class DenseEmbedding(ApiModel):
    """The model that makes each chunk's vector."""

    model: Annotated[
        str,
        Field(min_length=1, max_length=200),
        shape(rf"{_NAME}(/{_NAME})?", "must be a model's id on its hub, as owner/name"),
    ] = Field(
        default="Qwen/Qwen3-Embedding-0.6B",
        description="Id of the model; one of the installation's TEI servers must serve it. "
        "Default: Qwen/Qwen3-Embedding-0.6B.",
    )
    task: EmbeddingTask | None = Field(
        default=None,
        description="Instructions for documents and queries. Left out: the model's usual ones.",
    )


class SparseEmbedding(ApiModel):
    """A second, sparse vector for each chunk; for distributed Chroma and Chroma Cloud."""

    model: Literal["Chroma/BM25", "prithivida/Splade_PP_en_v1"] = Field(
        default="Chroma/BM25", description="The model. Default: Chroma/BM25."
    )
    key: Annotated[
        str,
        Field(min_length=1, max_length=36),
        shape("[A-Za-z0-9][A-Za-z0-9._-]*", "must hold letters, digits, '.', '_' and '-' only"),
    ] = Field(
        default="sparse_embedding",
        description="The metadata key of the sparse vector. Default: sparse_embedding.",
    )
    policy: Literal["Require", "Prefer"] = Field(
        default="Require",
        description="Require: a server that takes no sparse vectors is an error. Prefer: they are "
        "then left out. Default: Require.",
    )


class Embedding(ApiModel):
    """The models that embed the chunks."""

    dense: DenseEmbedding = section(DenseEmbedding, "The model that makes each chunk's vector.")
    sparse: SparseEmbedding | None = Field(
        default=None, description="A sparse vector beside the dense one. Left out: none."
    )


class Chunking(ApiModel):
    """How texts are cut. The chunks of a text, joined, are the text."""

    type: Literal["tree_sitter", "lines"] = Field(
        default="tree_sitter",
        description="tree_sitter: along the syntax of code and Markdown, other texts by lines. "
        "lines: all by lines. Default: tree_sitter.",
    )
    max_size_bytes: int = Field(
        default=4096,
        ge=16,
        le=16384,
        description="No chunk is over so many bytes, 16 to 16384. Default: 4096.",
    )
    max_lines: int | None = Field(
        default_factory=lambda data: LINES_DEFAULT if data.get("type") == "lines" else None,
        ge=1,
        le=10_000,
        description="No chunk has more lines, for type lines alone. Left out: 10.",
    )

    rules: ClassVar = (
        Rule(
            "maxLines",
            "maxLines needs chunking type lines: tree_sitter cuts by syntax",
            "!has(self.maxLines) || self.type == 'lines'",
            lambda chunking: chunking.max_lines is None or chunking.type == "lines",
        ),
    )


_MINUTE = "[0-5]?[0-9]"
_HOUR = "([01]?[0-9]|2[0-3])"
_DAY = "(0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(0?[1-9]|1[0-2]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"
_WEEKDAY = "([0-7]|(?i:sun|mon|tue|wed|thu|fri|sat))"


def _cron_field(value: str) -> str:
    item = rf"(\*|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


_CRON = " +".join(_cron_field(v) for v in (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY))


class Schedule(ApiModel):
    """When runs start by themselves."""

    cron: Annotated[
        str,
        Field(min_length=6, max_length=100),
        shape(
            rf"@(hourly|daily|weekly|monthly|yearly)|{_CRON}",
            "must be five fields of cron (minute, hour, day, month, weekday) such as 0 3 * * 1-5, "
            "or @hourly, @daily, @weekly, @monthly, @yearly",
        ),
    ] = Field(description="When to start, as cron writes it. Example: 0 3 * * *.")
    time_zone: Annotated[
        str,
        Field(min_length=1, max_length=64),
        shape(
            "[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*",
            "must be a time zone of the tz database, such as Europe/Paris",
        ),
    ] = Field(default="Etc/UTC", description="Time zone of cron. Default: Etc/UTC.")
    target_collection_name_template: (
        Annotated[
            str,
            Field(min_length=3, max_length=128),
            shape(
                r"([A-Za-z0-9._-]|\{source\}|\{date\}|\{time\})+",
                "must hold letters, digits, '.', '_', '-' and the words {source}, {date} and "
                "{time} only",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Name of each run's collection; {source}, {date} (20260131) and {time} "
        "(235959) are filled in. A Source without a collectionName needs it. Example: docs-{date}.",
    )


class HistoryLimits(ApiModel):
    """How many finished Invocations that a schedule made are kept."""

    succeeded: int | None = Field(
        default=None, ge=0, le=1000, description="Succeeded ones to keep. Left out: all."
    )
    failed: int | None = Field(
        default=None, ge=0, le=1000, description="Failed ones to keep. Left out: all."
    )


_MEMBERS: Final = tuple(kind.member for kind in KINDS)
_ONE_KIND: Final = f"exactly one of {names('and')} must be set in spec"
_KIND_KEPT: Final = " && ".join(f"has(self.{m}) == has(oldSelf.{m})" for m in _MEMBERS)
# The kinds whose Sources name the collection of runs that name none, and the others.
_NAMING: Final = tuple(kind for kind in KINDS if kind.shares_collection)
_NOT_NAMING: Final = tuple(kind for kind in KINDS if not kind.shares_collection)


class SourceSpec(SourceMembers):
    """Where data lives, how to chunk it, which model embeds it, and where it goes."""

    database_name: Annotated[
        str,
        Field(min_length=3, max_length=128),
        shape("[A-Za-z0-9][A-Za-z0-9._-]*", "must hold letters, digits, '.', '_' and '-' only"),
    ] = Field(
        default="default_database",
        description="The Chroma database, which must exist; it never changes. Default: "
        "default_database.",
    )
    chroma: ChromaTarget | None = Field(
        default=None,
        description="The Chroma server, which never changes. Left out: the operator's default.",
    )
    embedding: Embedding = section(Embedding, "The models that embed the chunks.")
    chunking: Chunking = section(Chunking, "How texts are cut.")
    suspend: bool = Field(
        default=False,
        description="While true, no run starts; one that goes is not stopped. Default: false.",
    )
    schedule: Schedule | None = Field(
        default=None, description="When runs start by themselves. Left out: never."
    )
    concurrency_policy: Literal["Queue", "Replace"] = Field(
        default="Queue",
        description="What a new run does to the one before it. Queue: waits for it. Replace: "
        "cancels it. Default: Queue.",
    )
    history_limits: HistoryLimits | None = Field(
        default=None, description="How many finished Invocations are kept. Left out: all."
    )
    job_template: JobTemplate = section(JobTemplate, "How the Jobs of this Source are run.")
    max_delete_percent: int = Field(
        default=50,
        ge=0,
        le=100,
        description="A run that would remove more than so many percent of the documents in its "
        "collection, counted with those that it has brought in, ends before the first delete, with "
        "WouldRemoveTooMuch. An Invocation may allow it by allowMassDelete. Default: 50.",
    )
    deletion_policy: Literal["Retain", "Delete"] = Field(
        default="Retain",
        description="What becomes of the collections when the Source is deleted. Retain: they "
        "stay. Delete: those that it made go with it. Default: Retain.",
    )

    rules: ClassVar = (
        Rule(
            "",
            _ONE_KIND,
            " + ".join(f"(has(self.{m}) ? 1 : 0)" for m in _MEMBERS) + " == 1",
            lambda spec: sum(getattr(spec, m) is not None for m in _MEMBERS) == 1,
        ),
        Rule(
            "",
            f"the type of a Source ({names('or')}) never changes: make another Source",
            _KIND_KEPT,
        ),
        never_changes("databaseName", "databaseName never changes: make another Source"),
        never_changes("chroma", "chroma never changes: make another Source"),
        Rule(
            "schedule",
            "schedule needs targetCollectionNameTemplate when the Source is of type "
            f"{names('or', _NOT_NAMING)}",
            "!has(self.schedule) || "
            + "".join(f"has(self.{kind.member}) || " for kind in _NAMING)
            + "has(self.schedule.targetCollectionNameTemplate)",
            lambda spec: (
                spec.schedule is None
                or any(getattr(spec, kind.member) is not None for kind in _NAMING)
                or spec.schedule.target_collection_name_template is not None
            ),
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _no_two_kinds(cls, data: Any) -> Any:
        """Of two kinds one has to go: what is wrong within either is no matter until then."""
        if isinstance(data, dict) and sum(data.get(m) is not None for m in _MEMBERS) > 1:
            raise rule_error("", _ONE_KIND)
        return data


class ActiveInvocation(ApiModel):
    """The run that the Source has admitted."""

    name: str = Field(max_length=253, description="Name of the Invocation.")
    uid: str = Field(max_length=64, description="Its uid.")


class FinishedCollection(ApiModel):
    """The collection of this Source that was finished last."""

    name: str = Field(max_length=512, description="Name of the collection.")
    revision: str | None = Field(
        default=None, max_length=256, description="What it holds. Example: a commit."
    )


class CheckStatus(ApiModel):
    """The check of the Source: how often it was tried, and when it is tried again."""

    attempts: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Checks that failed one after the other."
    )
    next_attempt_time: str | None = Field(
        default=None,
        max_length=32,
        description="When the next check starts. Left out: none is planned.",
        json_schema_extra={"format": "date-time"},
    )
    digest: str | None = Field(
        default=None,
        max_length=64,
        description="Hash of what the check depends on, in the spec and in the installation's "
        "settings. Another one brings another check.",
    )


class SourceStatus(ApiModel):
    """Whether the Source is usable, and what it is used for."""

    observed_generation: int = Field(
        default=-1, ge=-1, description="The generation of the spec that this status is about."
    )
    conditions: Annotated[list[Condition], Unique("type")] = Field(
        default_factory=list,
        max_length=8,
        description="Ready sums up; Reconciling: it is being checked; Stalled: it needs a person.",
    )
    active_invocation: ActiveInvocation | None = Field(
        default=None, description="The run that goes on. At most one goes at a time."
    )
    last_handled_requested_at: str | None = Field(
        default=None,
        max_length=256,
        description="The value of the annotation chromasync.dev/requested-at that was last acted "
        "upon.",
    )
    last_finished_collection: FinishedCollection | None = Field(
        default=None, description="The collection of this Source that was finished last."
    )
    check: CheckStatus | None = Field(default=None, description="How the check of the Source goes.")


class Source(ApiObject):
    """Where data lives, how to chunk it and which model embeds it."""

    api_version: Literal["chromasync.dev/v1alpha1"]
    kind: Literal["Source"]
    metadata: ObjectMeta
    spec: SourceSpec = Field(description="Where data lives, how it is chunked and embedded.")
    status: SourceStatus = Field(
        default_factory=SourceStatus,
        description="Whether the Source is usable, and what it is used for.",
    )
