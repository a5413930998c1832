"""The shape of a record: which keys it may have, and how many."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_sync.api.kinds.s3 import S3Run
from chroma_sync.api.record_keys import (
    OWN_KEYS_MAX,
    RECORD_KEYS,
    RECORD_KEYS_MAX,
    USER_KEYS_MAX,
    metadata_problem,
)
from chroma_sync.pipeline.children import Limits
from chroma_sync.pipeline.chunk import Chunker, ChunkingConfig
from chroma_sync.pipeline.document import Document
from chroma_sync.pipeline.extract import as_text
from chroma_sync.pipeline.fetch import Ref
from chroma_sync.pipeline.index.records import GAVE_UP_AT, Configs, Record
from chroma_sync.pipeline.make_record import make_record
from chroma_sync.pipeline.text import PART_KEYS, PART_KEYS_MAX

# Part of the API, and written once what they are for is served.
LATER = {"sparse_embedding"}
CONFIGS = Configs(document="d", embedding="e", source="s", parser_seconds=1.0, parser_bytes=1)


def record_of(*, replaces: bool) -> Record:
    """Of a text that gives a record all keys that it may have."""
    data = b"x = 1\n" * 20
    document = Document.of(Ref("a.py", "v", len(data), own_id="loaf"))
    with Chunker(ChunkingConfig("tree_sitter", 100, None), Limits(memory_bytes=1)) as chunker:
        document.chunked = chunker.chunk(as_text("a.py", data))
    return make_record(
        *(document, next(iter(document.chunked)), np.ones(2, np.float32)),
        windows=2,
        configs=CONFIGS,
        replaces=replaces,
        in_place=False,
    )


def test_a_record_and_the_keys_of_users_stay_within_the_quota() -> None:
    own = {key for key, value in record_of(replaces=False).metadata.items() if value is not None}
    assert {"language", "embedding_windows", GAVE_UP_AT} < own
    assert len(own | LATER) + PART_KEYS_MAX <= OWN_KEYS_MAX
    assert OWN_KEYS_MAX + USER_KEYS_MAX == RECORD_KEYS_MAX == 32
    bound = S3Run.model_json_schema()["properties"]["metadata"]["anyOf"][0]["maxProperties"]
    assert bound == USER_KEYS_MAX == 12


def test_users_have_other_keys() -> None:
    written = record_of(replaces=True).metadata.keys()
    assert written | LATER | PART_KEYS <= RECORD_KEYS
    for key in written:
        assert "is a key that records have already" in (metadata_problem("here", {key: 1}) or "")


def test_what_an_older_record_had_goes() -> None:
    replaced = record_of(replaces=True).metadata
    fresh = record_of(replaces=False).metadata
    gone = replaced.keys() - fresh.keys()
    assert gone == {"chunk_count", "document_config"} | PART_KEYS
    assert all(replaced[key] is None for key in gone)


def test_the_page_on_records_has_every_key_with_its_type() -> None:
    page = (Path(__file__).parents[3] / "docs" / "records.md").read_text().split("## Lines")[0]
    listed = re.findall(r"^\| `(\w+)` \| ([a-z ]+) \| \S", page, re.MULTILINE)
    written = {k: v for k, v in record_of(replaces=False).metadata.items() if v is not None}
    assert {key for key, _ in listed} == written.keys() | LATER | PART_KEYS
    types = {str: "string", int: "integer"}
    for key, type_ in listed:
        if key in written:
            assert types[type(written[key])] == type_, key


@pytest.mark.parametrize(
    "metadata", [{"te\ud800am": 1}, {"team": "\udfff"}, {"t": ["a", "\ud83d"]}]
)
def test_half_a_character_is_no_metadata(metadata: dict[str, Any]) -> None:
    assert "holds half a character" in (metadata_problem("here", metadata) or "")
