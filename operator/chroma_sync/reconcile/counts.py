"""The counts of a run in its status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from chroma_sync.api.contract import Result, Step, merge_results
from chroma_sync.api.invocation import FinishedShards, InvocationStatus
from chroma_sync.reconcile import pods
from chroma_sync.reconcile.observed import PodState, moment

# Of many runs at once, what is written of each is what the API server has to bear.
WRITE_SECONDS: Final = 5.0
# What changes all the time while a run goes. All else is a change of state, or goes with its pod.
COUNTS: Final = frozenset({"documents", "skipped", "chunks", "bytes", "failures", "updated_at"})


def show(status: InvocationStatus, own: Sequence[PodState], progress: Mapping[str, Result]) -> None:
    """Show what the pods of a run came to: each with its result, or with what it said last. Nothing
    known changes nothing.

    A pod that finds its run finished already, for the one before it died between the mark and its
    exit, has nothing left to count: then the counts seen last stand."""
    _keep_finished_shards(status, own)
    kept = status.finished_shards
    counted = set(kept.indexes) if kept else set()
    results = [_as_result(kept)] if kept else []
    for step in Step:
        for pod in pods.latest(own, step).values():
            if step is Step.WORK and pod.index in counted:
                continue
            result = pods.result_of(pod) or progress.get(pod.uid)
            if result is not None:
                results.append(result)
    if not results:
        return
    total = merge_results(results)
    status.revision = total.revision or status.revision
    status.collection = total.collection or status.collection
    if status.documents.discovered and not total.documents.discovered:
        return
    status.documents = total.documents
    status.skipped = total.skipped
    status.chunks = total.chunks
    status.bytes = total.bytes
    status.failures = total.failures
    status.notes = total.notes or status.notes


def hold_back(before: InvocationStatus, after: InvocationStatus, now: datetime) -> float:
    """For how many seconds a status is not written yet that differs in its counts alone: so that
    they are written at most every `WRITE_SECONDS`. 0 when it is to be written at once."""
    changed = {
        name for name in type(after).model_fields if getattr(before, name) != getattr(after, name)
    }
    if not changed or changed - COUNTS:
        return 0.0
    written = (now - moment(before.updated_at)).total_seconds()
    return max(0.0, WRITE_SECONDS - max(0.0, written))


def _keep_finished_shards(status: InvocationStatus, own: Sequence[PodState]) -> None:
    """Add up the pods of work that have ended well. Each index is added once: Kubernetes starts no
    other pod for it."""
    for index, pod in sorted(pods.latest(own, Step.WORK).items()):
        kept = status.finished_shards or FinishedShards()
        result = pods.result_of(pod) if pods.succeeded(pod) else None
        if result is None or index in kept.indexes:
            continue
        total = merge_results([_as_result(kept), result])
        status.finished_shards = FinishedShards(
            indexes=[*kept.indexes, index],
            # An earlier release kept none.
            seals=[*kept.seals, *[""] * (len(kept.indexes) - len(kept.seals)), result.seal],
            documents=total.documents,
            skipped=total.skipped,
            chunks=total.chunks,
            bytes=total.bytes,
            failures=total.failures,
        )


def seals(status: InvocationStatus, shards: int) -> list[str]:
    """What the pods of work have judged, by their index; empty of one that was lost."""
    kept = status.finished_shards or FinishedShards()
    found = dict(zip(kept.indexes, kept.seals, strict=False))
    return [found.get(index, "") for index in range(shards)]


def _as_result(kept: FinishedShards) -> Result:
    return Result(
        documents=kept.documents,
        skipped=kept.skipped or {},
        chunks=kept.chunks,
        bytes=kept.bytes,
        failures=kept.failures,
    )
