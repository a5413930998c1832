"""What a pod's end is told as."""

from __future__ import annotations

import pytest

from chroma_sync.api.reasons import Reason
from chroma_sync.reconcile.pods import trouble
from unit.reconcile.build import invocation, pod, step_job


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
    found = trouble(pod(step_job(invocation()), phase="Failed", evicted=said))
    assert found is not None
    assert found.reason is reason
    assert found.message.startswith(f"The pod was ended. {said}")
    assert found.message.endswith(advice)
