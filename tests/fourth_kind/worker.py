"""The program of a pod, with the fourth kind. Its scratch, its configuration, its Secrets and its
result lie in the working folder, for which a pod has places of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from fourth_kind import union

union.install()

from chroma_sync.api import contract  # noqa: E402 - only now
from chroma_sync.cli import worker  # noqa: E402

if __name__ == "__main__":
    here = Path.cwd()
    vars(contract)["SECRETS"] = here / "secrets"
    vars(worker).update(
        SCRATCH=here,
        CONFIGURATION=here / "configuration",
        TERMINATION_LOG=here / "result.json",
        PROGRESS_PORT=0,
    )
    sys.exit(worker.main())
