"""`chroma-sync run`: the same YAML and the same pipeline as on a cluster, in one process."""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from chroma_sync.api.configuration import (
    ChromaServer,
    Configuration,
    Endpoint,
    ModelNotServedError,
    Settings,
    resolve,
    target_collection,
)
from chroma_sync.api.contract import Result
from chroma_sync.api.invocation import Invocation
from chroma_sync.api.load import InvalidObject, load_objects
from chroma_sync.api.reasons import Reason
from chroma_sync.api.secret import Secret
from chroma_sync.api.source import DenseEmbedding, Source
from chroma_sync.api.supported import invalid_for_source, not_implemented
from chroma_sync.cli.file_secrets import FileSecrets
from chroma_sync.cli.interrupts import INTERRUPTED, interruptible
from chroma_sync.cli.outcome import UsageError, as_step_error, tell
from chroma_sync.cli.places import (
    LOCAL_URL,
    RETRY_SECONDS,
    check_places,
    chroma_place,
    open_database,
    open_model,
    require_folder,
)
from chroma_sync.cli.show import Display
from chroma_sync.pipeline import steps
from chroma_sync.pipeline.assembly import Surroundings, opened_tools
from chroma_sync.pipeline.errors import Misconfigured, Stopped
from chroma_sync.pipeline.fetch.host_retries import RATE_LIMIT_SECONDS
from chroma_sync.pipeline.previous import last_finished_collection
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.run import identity_of
from chroma_sync.pipeline.secrets import Secrets
from chroma_sync.pipeline.toolbox import Toolbox

_STANDARD = "-"  # in place of a file: stdin or stdout


def run_files(arguments: argparse.Namespace) -> int:
    """Run every Invocation of the files, in their order."""
    jobs = prepared(arguments)
    require_folder(arguments)
    with _report(arguments.report) as report:
        try:
            return for_each(jobs, lambda job, stop: _run_one(arguments, job, stop, report))
        except Stopped:
            # Not to stdout: in a pipe that holds lines of JSON alone.
            print("Stopped. Nothing is lost: start it again to go on.", file=sys.stderr)
            return INTERRUPTED


def for_each(jobs: Iterable[Job], action: Callable[[Job, StopSignal], None]) -> int:
    """Do something with every Invocation, also after one that failed. Returns the first exit code
    that is not 0. Raises `Stopped` after Ctrl-C, and what is a fault of the program."""
    codes = [_attempted(job, action) for job in jobs]
    return next(filter(None, codes), 0)


def _attempted(job: Job, action: Callable[[Job, StopSignal], None]) -> int:
    # Of its own: an error sets it, to end all stages of its run.
    stop = StopSignal()
    try:
        with interruptible(stop):
            action(job, stop)
    except Exception as error:
        known = as_step_error(error)
        if known is None:
            raise
        name = f"Invocation/{job.invocation.metadata.name}"
        tell(f"{name}: {known.reason.value}: {known}")
        return known.exit_code
    return 0


@dataclass(frozen=True)
class Job:
    """One Invocation to run, with its Source and the Secrets that the files hold."""

    source: Source
    invocation: Invocation
    secrets: Secrets


def prepared(arguments: argparse.Namespace) -> list[Job]:
    """The Invocations of the files with their Sources. All are looked at before the first one runs.
    Raises `UsageError` and `Misconfigured`."""
    check_places(arguments)
    files = _load(arguments.files)
    if not files.invocations:
        raise UsageError(
            "the files hold no Invocation: nothing to run. Write one that names a Source and a "
            "targetCollectionName."
        )
    if arguments.model:
        for source in files.sources.values():
            source.spec.embedding.dense = _other_model(arguments.model)
    jobs = []
    for invocation in files.invocations:
        source = _source_of(invocation, files.sources)
        _refuse_unserved(source, invocation)
        _refuse_held_back(source, invocation)
        jobs.append(Job(source, invocation, FileSecrets(source, files.secrets)))
    _tell_of_other_servers(arguments, jobs)
    return jobs


def _tell_of_other_servers(arguments: argparse.Namespace, jobs: Iterable[Job]) -> None:
    place = chroma_place(arguments)
    here = place if arguments.chroma else f"folder {place}"
    chroma = {job.source.metadata.name: job.source.spec.chroma for job in jobs}
    for name, server in chroma.items():
        if server is not None and server.url != place:
            note = f"spec.chroma of Source {name} counts on a cluster only; here: {here}."
            tell(note)


@contextmanager
def _report(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Where the verdicts go: one line of JSON for each document."""
    if path is None:
        yield lambda _: None
        return
    if str(path) == _STANDARD:
        raise UsageError("--report: stdout holds the run's own lines; name a file")
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise UsageError(f"--report: {path} can't be written: {error.strerror}") from None
    with file:
        # Line and end in one piece, as several threads report.
        yield lambda line: _write(file, line)


@dataclass(frozen=True)
class _Files:
    """What the files hold; Sources and Secrets by namespace and name."""

    sources: dict[tuple[str, str], Source] = field(default_factory=dict)
    secrets: dict[tuple[str, str], Secret] = field(default_factory=dict)
    invocations: list[Invocation] = field(default_factory=list)


def _load(files: list[Path]) -> _Files:
    found = _Files()
    places: dict[tuple[str, str, str], Path] = {}
    for file in files:
        try:
            objects = load_objects(_text(file), str(file))
        except InvalidObject as error:
            raise UsageError(str(error)) from None
        except OSError as error:
            raise UsageError(f"-f: {file} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"-f: {file} is no text in UTF-8") from None
        for item in objects:
            key = item.metadata.namespace, item.metadata.name
            place = places.setdefault((item.kind, *key), file)
            if place is not file:
                raise UsageError(
                    f"{item.kind}/{item.metadata.name}: metadata.name: stands in {place} and in "
                    f"{file}. Rename or remove one of the two."
                )
            if isinstance(item, Source):
                found.sources[key] = item
            elif isinstance(item, Secret):
                found.secrets[key] = item
            else:
                found.invocations.append(item)
    return found


def _text(file: Path) -> str:
    """The text of a file; of stdin for `-`, as with kubectl."""
    data = sys.stdin.buffer.read() if str(file) == _STANDARD else file.read_bytes()
    return data.decode()


def _source_of(invocation: Invocation, sources: dict[tuple[str, str], Source]) -> Source:
    name = invocation.spec.source_ref.name
    source = sources.get((invocation.metadata.namespace, name))
    if source is None:
        raise UsageError(
            f"Invocation/{invocation.metadata.name}: spec.sourceRef.name: the files hold no "
            f"Source {name!r} in namespace {invocation.metadata.namespace!r}. "
            "Name its file with another -f."
        )
    return source


def _refuse_unserved(source: Source, invocation: Invocation) -> None:
    """Refuse what a cluster would mark as stalled. Raises `Misconfigured`."""
    for item in (source, invocation):
        fields = not_implemented(item.spec)
        if fields:
            where = f"{item.kind}/{item.metadata.name}"
            message = f"{where}: {', '.join(fields)}: no code serves this yet; leave it out."
            raise Misconfigured(Reason.NOT_IMPLEMENTED, message)
    problem = invalid_for_source(source.spec, invocation.spec)
    if problem is not None:
        message = f"Invocation/{invocation.metadata.name}: {problem}"
        raise Misconfigured(Reason.INVALID_FOR_SOURCE, message)


def _refuse_held_back(source: Source, invocation: Invocation) -> None:
    """Refuse what a cluster would not run, as its user asked. Raises `UsageError`."""
    if source.spec.suspend:
        raise UsageError(
            f"Source/{source.metadata.name}: spec.suspend is true, so nothing runs from it. "
            "Set it to false, or leave it out."
        )
    if invocation.spec.cancel:
        raise UsageError(
            f"Invocation/{invocation.metadata.name}: spec.cancel is true, so it is not run. "
            "Set it to false, or leave it out."
        )


def _write(file: TextIO, line: str) -> None:
    file.write(f"{line}\n")


def _run_one(
    arguments: argparse.Namespace, job: Job, stop: StopSignal, report: Callable[[str], None]
) -> None:
    invocation = job.invocation
    progress = Progress(report, run=invocation.metadata.name)
    into = target_collection(job.source.spec, invocation.spec)
    title = f"{invocation.metadata.name} into {into}"
    with (
        Display(title, progress.result) as display,
        job_tools(arguments, job, stop, progress, RATE_LIMIT_SECONDS) as tools,
    ):
        steps.run(tools)
        display.finish(_summary(progress.result()))
    result = progress.result()
    tell_notes(job, result.notes)


def tell_notes(job: Job, notes: Iterable[str]) -> None:
    """Say what is worth knowing of a run beside its documents."""
    for note in notes:
        tell(f"Source/{job.source.metadata.name}: {note}")


@contextmanager
def job_tools(
    arguments: argparse.Namespace,
    job: Job,
    stop: StopSignal,
    progress: Progress,
    rate_limit_seconds: float,
) -> Iterator[Toolbox]:
    """All that a run here works with, closed at the end of the block. A host's rate limit is waited
    for so long at most."""
    configuration = _configuration(arguments, job.source, job.invocation)
    database, tenant = configuration.database, configuration.chroma.tenant
    surroundings = Surroundings(
        lambda retry: open_model(arguments, configuration.embedding.model, retry),
        lambda retry: open_database(arguments, database, tenant, retry),
        job.secrets,
        outage_seconds=RETRY_SECONDS,
        rate_limit_seconds=rate_limit_seconds,
    )
    with (
        tempfile.TemporaryDirectory(prefix="chroma-sync-") as scratch,
        opened_tools(configuration, surroundings, Path(scratch), progress, stop) as tools,
    ):
        identity_of(configuration).previous_collection = last_finished_collection(
            tools.database, configuration
        )
        yield tools


def _configuration(
    arguments: argparse.Namespace, source: Source, invocation: Invocation
) -> Configuration:
    """The configuration of a run here. `--chroma` and `--path` stand for the installation's server,
    and a run here has a UID of its own."""
    invocation.metadata.uid = str(uuid.uuid4())
    url = arguments.tei or LOCAL_URL
    settings = Settings(
        chroma=ChromaServer(url=chroma_place(arguments)),
        endpoints=[Endpoint(model=source.spec.embedding.dense.model, url=url)],
    )
    try:
        return resolve(source, settings, invocation, datetime.now(UTC))
    except ModelNotServedError as error:
        raise Misconfigured(Reason.MODEL_NOT_SERVED, str(error)) from None


def _other_model(model: str) -> DenseEmbedding:
    """Another model in place of the Source's. Instructions that were written for one model are not
    another's: they are left out."""
    try:
        return DenseEmbedding(model=model)
    except ValidationError as error:
        raise UsageError(f"--model: {error.errors()[0]['msg']}") from None


def _summary(result: Result) -> str:
    documents, chunks = result.documents, result.chunks
    records = result.collection.records if result.collection else 0
    return (
        f"{documents.indexed} documents indexed, {documents.unchanged} unchanged, "
        f"{documents.removed} removed, {documents.skipped} skipped, "
        f"{documents.failed} failed, {documents.kept} kept; "
        f"{chunks.embedded} chunks embedded, {chunks.reused} reused; "
        f"the collection has {records} records"
    )
