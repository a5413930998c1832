"""The counts of a run in its status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chroma_sync.api.contract import Result, Step, merge_results
from chroma_sync.api.invocation import FinishedShards, InvocationStatus
from chroma_sync.reconcile import pods
from chroma_sync.reconcile.observed import PodState


def show(status: InvocationStatus, own: Sequence[PodState], progress: Mapping[str, Result]) -> None:
    """Show what the pods of a run came to: each with its result, or with what it last told. Nothing
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
            documents=total.documents,
            skipped=total.skipped,
            chunks=total.chunks,
            bytes=total.bytes,
            failures=total.failures,
        )


def _as_result(kept: FinishedShards) -> Result:
    return Result(
        documents=kept.documents,
        skipped=kept.skipped or {},
        chunks=kept.chunks,
        bytes=kept.bytes,
        failures=kept.failures,
    )
