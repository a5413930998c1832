"""A Source and an Invocation that nothing can be read from: nobody listens at its address."""

from __future__ import annotations

from pathlib import Path

import pytest

OBJECTS = """
apiVersion: chromasync.dev/v1alpha1
kind: Source
metadata: {name: shop}
spec:
  github: {repository: acme/shop, baseUrl: "http://127.0.0.1:1"}
  embedding: {dense: {model: sentence-transformers/all-MiniLM-L6-v2}}
---
apiVersion: chromasync.dev/v1alpha1
kind: Invocation
metadata: {name: run}
spec:
  sourceRef: {name: shop}
  targetCollectionName: shop
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Source and an Invocation, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("both.yaml").write_text(OBJECTS)
    Path("a-file").touch()
    return "both.yaml"
