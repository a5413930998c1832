"""The command `chroma-sync`, with the fourth kind."""

from __future__ import annotations

import sys

from fourth_kind import union

union.install()

from chroma_sync.cli.main import main  # noqa: E402 - only now

if __name__ == "__main__":
    sys.exit(main())
