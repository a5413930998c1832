"""What a pod's end is told as."""

from __future__ import annotations

import json

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.reconcile.observed import Terminated
from chroma_sync.reconcile.pods import failure_of
from unit.reconcile.build import going, invocation, pass_invocation, pod, step_job, summary


@pytest.mark.parametrize(
    ("said", "reason", "advice"),
    [
        (
            'Evicted: Usage of EmptyDir volume "scratch" exceeds the limit "1Gi".',
            Reason.SCRATCH_FULL,
            "Raise spec.jobTemplate.scratchSize of the Source.",
        ),
        ("Evicted: The node was low on resource: memory.", Reason.POD_FAILED, "memory."),
    ],
)
def test_a_pod_that_was_evicted(said: str, reason: Reason, advice: str) -> None:
    found = failure_of(pod(step_job(invocation()), phase="Failed", evicted=said))
    assert found is not None
    assert found.reason is reason
    assert found.message.startswith(f"The pod was ended. {said}")
    assert found.message.endswith(advice)


def test_a_result_with_a_list_that_is_too_long_ends_its_run_with_its_counts() -> None:
    failed = {"document": "a.txt", "reason": "EmbeddingRejected"}
    said = {"documents": {"discovered": 30, "indexed": 9, "failed": 21}, "failures": [failed] * 21}
    src, run, job = going(complete=True, over=True, active=0)
    end = Terminated(0, "Completed", json.dumps(said))
    after, _ = pass_invocation(run, source=src, jobs=[job], pods=[pod(job, terminated=end)])
    assert summary(after) == ("True", "CompleteWithFailures")
    assert (after.status.documents.indexed, after.status.documents.failed) == (9, 21)
    assert len(after.status.failures) == 20
