"""What the operator makes of a Source of the fourth kind: prints its Job's pod, the CRD, and what
does not fit, as JSON."""

from __future__ import annotations

import json
import sys

from fourth_kind import union

union.install()

from chroma_sync.api import crd  # noqa: E402 - only now
from chroma_sync.api.configuration import document, read, resolve  # noqa: E402
from chroma_sync.api.contract import Step  # noqa: E402
from chroma_sync.api.invocation import Invocation  # noqa: E402
from chroma_sync.api.source import Source  # noqa: E402
from chroma_sync.api.supported import invalid_for_source, not_implemented  # noqa: E402
from chroma_sync.reconcile.jobs import step_job  # noqa: E402
from chroma_sync.reconcile.owners import Owner  # noqa: E402
from unit.reconcile import build  # noqa: E402


def main() -> None:
    """Reads a Source and an Invocation, as a list in JSON, from stdin."""
    objects = json.load(sys.stdin)
    source, invocation = Source.model_validate(objects[0]), Invocation.model_validate(objects[1])
    stored = document(resolve(source, build.INSTALLATION, invocation))
    configuration = read(stored)
    job = step_job(Owner.of(invocation), Step.RUN, configuration, build.INSTALLATION, stored)
    manifests = {kind.name: crd.manifest(kind) for kind in crd.KINDS}
    said = {
        "address": configuration.origin.address(),
        "shards": configuration.shards,
        "stored": stored,
        "pod": job.manifest["spec"]["template"]["spec"],
        "unserved": not_implemented(source.spec) + not_implemented(invocation.spec),
        "problem": invalid_for_source(source.spec, invocation.spec),
        "crds": manifests,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
