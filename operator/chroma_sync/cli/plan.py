"""`chroma-sync plan`: what `chroma-sync run` would do, without writing anything."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from chroma_sync.api.reasons import Reason
from chroma_sync.api.shown import visible
from chroma_sync.cli.interrupts import INTERRUPTED
from chroma_sync.cli.places import DATABASE_FILE, require_folder
from chroma_sync.cli.run import (
    Job,
    for_each,
    job_tools,
    prepared,
    tell_notes,
)
from chroma_sync.pipeline.errors import Stopped, Unusable
from chroma_sync.pipeline.forecast import Forecast, forecast
from chroma_sync.pipeline.progress import Progress
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.run import identity_of

_TYPES_SHOWN = 12
# Who writes to a collection last, of the Invocations so far; by tenant, database and name.
_Written = dict[tuple[str, str, str | None], str]


def plan_files(arguments: argparse.Namespace) -> int:
    """Say for every Invocation of the files what its run would do."""
    jobs = prepared(arguments)
    with ExitStack() as nowhere:
        if arguments.chroma or (arguments.path / DATABASE_FILE).exists():
            require_folder(arguments)
        else:
            # Even an empty database would be something written.
            folder = nowhere.enter_context(tempfile.TemporaryDirectory(prefix="chroma-sync-"))
            arguments.path = Path(folder)
        try:
            written: _Written = {}
            return for_each(jobs, lambda job, stop: _plan_one(arguments, job, stop, written))
        except Stopped:
            return INTERRUPTED


def _plan_one(arguments: argparse.Namespace, job: Job, stop: StopSignal, written: _Written) -> None:
    with job_tools(arguments, job, stop, Progress(), 0.0) as tools:
        found = forecast(tools)
    invocation, collection = job.invocation, identity_of(tools.configuration).collection
    name = f"{invocation.metadata.name} into {collection}"
    print(_summary(name, found), flush=True)
    tell_notes(job, found.notes)
    chroma, database = tools.configuration.chroma, tools.configuration.database
    target = chroma.tenant, database, collection
    if target in written:
        before = f"It comes after Invocation {written[target]} into the same collection"
        print(f"  {before}, which is not counted here.", flush=True)
    written[target] = invocation.metadata.name
    if found.refused:
        raise Unusable(Reason.WOULD_REMOVE_TOO_MUCH, found.refused)


def _by_reason(counts: Counter[str]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return f"{counts.total()}" + (f" ({reasons})" if reasons else "")


def _summary(name: str, found: Forecast) -> str:
    skipped, failed = _by_reason(found.skipped), _by_reason(found.failed)
    failed = f", {failed} can't be read" if found.failed else ""
    kept = f", {found.kept} kept as they stand" if found.kept else ""
    lines = [
        f"{name}, at {found.revision}",
        f"  documents: {found.added} to add, {found.changed} to change, "
        f"{found.unchanged} unchanged, {found.removed} to remove; {skipped} skipped{failed}{kept}",
        f"  chunks: {found.chunks} to write, {found.texts} of them to embed",
    ]
    if found.types:
        types = found.types.most_common(_TYPES_SHOWN)
        rest = len(found.types) - len(types)
        shown = ", ".join(f"{count} {type_}" for type_, count in types)
        lines.append(f"  chunks by type: {shown}" + (f", and {rest} more types" if rest else ""))
        lines.append("  most chunks:")
        lines += [f"    {count:>7} {key}" for count, key in found.largest]
    return "\n".join(visible(line) for line in lines)
