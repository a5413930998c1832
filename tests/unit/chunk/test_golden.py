"""The same file never comes out in other chunks under the same CHUNKER_VERSION."""

from __future__ import annotations

import json

from unit.chunk.golden import BUMP, FILE, made


def test_other_chunks_have_another_version() -> None:
    golden, now = json.loads(FILE.read_text()), made()
    assert now["version"] == golden["version"], "run `make generate`"
    assert now["cuts"] == golden["cuts"], f"{BUMP}, and run `make generate`"
