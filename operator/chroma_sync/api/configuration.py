"""The whole configuration of one step: everything a worker needs to know but Secrets.

It is resolved once, when a run is admitted, and kept on the Invocation's status. Every step of the
run uses that copy, so a Source that is edited in mid-run changes the next run only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from chroma_sync.api.contract import SEAL_MAX, SecretKey
from chroma_sync.api.invocation import Invocation, InvocationSpec
from chroma_sync.api.kinds.kind import Kind
from chroma_sync.api.kinds.origin import members, origin_of
from chroma_sync.api.kinds.union import RunMembers, SourceMembers
from chroma_sync.api.meta import ApiModel, secret_name
from chroma_sync.api.source import Chunking, JobTemplate, Source, SourceSpec

# All is bounded, for a configuration has to fit into a ConfigMap (1 MiB), and into the status of an
# Invocation with all else that the status holds (1.5 MiB: what etcd takes).
_Name = Annotated[str, Field(max_length=253)]
_ModelName = Annotated[str, Field(max_length=200)]
_ChromaName = Annotated[str, Field(max_length=512)]
_Prompt = Annotated[str, Field(max_length=2048)]
_Place = Annotated[str, Field(max_length=2048)]  # an address; on a laptop also a folder

DEFAULT_TASK_PROMPT = "Retrieve semantically similar text"


# What a configuration may require its reader to know, for it changes what a step does: who does not
# know it must not take the step. All else that is added may be left out by older readers.
FEATURES: Final[frozenset[str]] = frozenset()


class NewerConfigurationError(Exception):
    """A configuration that only a newer release understands. `str(error)` says why."""


class ModelNotServedError(Exception):
    """No endpoint serves the model that a Source asks for."""


class Endpoint(ApiModel):
    """One TEI server: which model it serves, and where."""

    model: _ModelName
    url: _Place


class ChromaServer(ApiModel):
    """A Chroma server. `token_secret` names the Secret with its token, if it wants one."""

    url: _Place
    tenant: _ChromaName = "default_tenant"
    token_secret: _Name | None = None
    # Not strict: what was stored as JSON holds the name of the key.
    token_key: SecretKey = Field(default=SecretKey.TOKEN, strict=False)


class Settings(ApiModel):
    """What the installation offers to every Source: its Chroma server and its TEI servers."""

    chroma: ChromaServer
    endpoints: list[Endpoint] = Field(default_factory=list, max_length=100)
    tei_token_secret: _Name | None = None


class EmbeddingConfiguration(ApiModel):
    """The dense model of a run, the server it is embedded by, and the instructions around texts."""

    model: _ModelName
    url: _Place
    token_secret: _Name | None = None
    document_prompt: _Prompt = ""
    query_prompt: _Prompt = ""


class RunIdentity(RunMembers):
    """Which Invocation a step works for, and into which collection. `previous_collection` is the
    one that the Source has finished last: its vectors are taken over where the text is the same.
    `admitted` is when the run was, in milliseconds since 1970: it tells which of two runs of a
    Source is the newer one."""

    uid: Annotated[str, Field(max_length=64)]
    name: _Name
    collection: _ChromaName
    target_policy: Literal["Create", "Update"] = "Create"
    previous_collection: _ChromaName | None = None
    allow_mass_delete: bool = False
    admitted: int = 0


class Configuration(SourceMembers):
    """See the module. `run` is absent for a check of the Source alone. `worker_image` is the image
    of all the run's pods, so that an upgrade in mid-run changes the next run only; a laptop has
    none."""

    source: Annotated[str, Field(max_length=317)]  # namespace/name
    database: _ChromaName
    chroma: ChromaServer
    embedding: EmbeddingConfiguration
    chunking: Chunking
    job_template: JobTemplate
    run: RunIdentity | None = None
    max_delete_percent: int = 50
    # What the pods of `work` have judged, one for each shard; of `finish` alone.
    seals: list[Annotated[str, Field(max_length=SEAL_MAX)]] = Field(
        default_factory=list, max_length=100
    )
    worker_image: _Place | None = None
    # Of `FEATURES`: what a reader must know to take a step.
    requires: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=100
    )

    @property
    def origin(self) -> Kind:
        """Where the documents come from."""
        return origin_of(self)

    @property
    def shards(self) -> int:
        """Among how many pods the documents of a run are shared."""
        return self.job_template.parallelism if self.origin.divisible else 1


def document(configuration: Configuration) -> dict[str, Any]:
    """A configuration as it is stored, and as a worker gets it."""
    return configuration.model_dump(mode="json", by_alias=True, exclude_none=True)


def read(document: dict[str, Any] | None) -> Configuration:
    """Read a configuration that another release may have made: what is not known is left out, but
    for what it requires to be known. Raises `NewerConfigurationError`."""
    try:
        configuration = Configuration.model_validate(document, extra="ignore")
    except ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) for e in error.errors()})
        raise NewerConfigurationError(f"it can't be read ({', '.join(fields)})") from None
    try:
        origin_of(configuration)
    except ValueError as error:
        raise NewerConfigurationError(f"of the kinds of source {error}") from None
    return configuration


def unknown_features(configuration: Configuration) -> str:
    """What a configuration requires and this release does not know; empty when it knows all."""
    return ", ".join(sorted(set(configuration.requires) - FEATURES))


def endpoint_for(model: str, endpoints: Sequence[Endpoint]) -> Endpoint:
    """The endpoint that serves a model. Raises `ModelNotServedError`."""
    for endpoint in endpoints:
        if endpoint.model == model:
            return endpoint
    served = ", ".join(sorted({e.model for e in endpoints})) or "none"
    raise ModelNotServedError(
        f"spec.embedding.dense.model: no server here serves {model!r}; served: {served}. "
        "Choose one of these, or have it added to the installation's list of TEI endpoints."
    )


def query_text(prompt: str, text: str) -> str:
    """A query as its model wants it. Source: the model card of Qwen3-Embedding (`Instruct:` and
    `Query:` lines, no blank after `Query:`). Models without an instruction get the bare text."""
    return f"Instruct: {prompt}\nQuery:{text}" if prompt else text


def resolve(
    source: Source,
    settings: Settings,
    invocation: Invocation | None,
    now: datetime | None = None,
) -> Configuration:
    """Put together what one step needs. `now`: of a run, when it is admitted. Raises
    `ModelNotServedError`."""
    spec = source.spec
    endpoint = endpoint_for(spec.embedding.dense.model, settings.endpoints)
    document_prompt, query_prompt = _prompts(source)
    return Configuration(
        source=f"{source.metadata.namespace}/{source.metadata.name}",
        database=spec.database_name,
        chroma=_server(source, settings),
        embedding=EmbeddingConfiguration(
            model=endpoint.model,
            url=endpoint.url,
            token_secret=settings.tei_token_secret,
            document_prompt=document_prompt,
            query_prompt=query_prompt,
        ),
        chunking=spec.chunking,
        job_template=spec.job_template,
        max_delete_percent=spec.max_delete_percent,
        run=_identity(source, invocation, now) if invocation is not None else None,
        **members(SourceMembers, spec),
    )


def _prompts(source: Source) -> tuple[str, str]:
    dense = source.spec.embedding.dense
    if dense.task is not None:
        return dense.task.document_prompt or "", dense.task.query_prompt or ""
    return "", DEFAULT_TASK_PROMPT if dense.model.startswith("Qwen/Qwen3-Embedding") else ""


def _server(source: Source, settings: Settings) -> ChromaServer:
    own = source.spec.chroma
    if own is None:
        key = SecretKey.INSTALLATION_TOKEN if settings.chroma.token_secret else SecretKey.TOKEN
        return settings.chroma.model_copy(update={"token_key": key})
    return ChromaServer(
        url=own.url,
        tenant=own.tenant,
        token_secret=secret_name(own.token_secret_ref),
    )


def target_collection(source: SourceSpec, invocation: InvocationSpec) -> str:
    """The collection that a run writes to; empty when neither names one."""
    return invocation.target_collection_name or origin_of(source).default_collection() or ""


def _identity(source: Source, invocation: Invocation, now: datetime | None) -> RunIdentity:
    spec, last = invocation.spec, source.status.last_finished_collection
    shares = origin_of(source.spec).shares_collection
    return RunIdentity(
        uid=invocation.metadata.uid or "",
        name=invocation.metadata.name,
        collection=target_collection(source.spec, spec),
        target_policy="Update" if shares else spec.target_policy or "Create",
        previous_collection=last.name if last else None,
        allow_mass_delete=spec.allow_mass_delete,
        admitted=int(now.timestamp() * 1000) if now is not None else 0,
        **members(RunMembers, spec),
    )
