"""The shape of what we write: ids, documents and metadata (see the design, section 6)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chroma_sync.api.record_keys import Scalar as Scalar
from chroma_sync.api.record_keys import Value

Vector = np.ndarray[Any, np.dtype[np.float32]]
Vectors = np.ndarray[Any, np.dtype[np.float32]]

# On a document that gave up its syntax: the memory in bytes that its parse could take.
GAVE_UP_AT = "syntax_gave_up_at_bytes"
_ID = re.compile(r"(.+)-(0|[1-9][0-9]{0,9})", re.DOTALL)
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Configs:
    """What shapes records. Two short hashes: `document` covers everything that shapes a document's
    records, it stands on the collection and in each `document_state`; `embedding` stands on every
    record and decides only whether its vector may be taken over. And what a parse may take here, in
    CPU time and memory: that shapes only the records of a document that gave up its syntax.
    `source`, namespace/name, stands on every record: only that Source's runs may delete it.
    `shares`: other Sources may have records in the same collection."""

    document: str
    embedding: str
    source: str
    parser_seconds: float
    parser_bytes: int
    shares: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it is upserted. `vector` is (dimension,) float32 of length 1. `in_place`: text
    and vector stand under this id already."""

    id: str
    text: str
    metadata: Mapping[str, Value | None]
    vector: Vector
    in_place: bool


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of some bytes in 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def document_sha(key: str) -> str:
    """The hash of a document's key. Its record ids begin with it, unless it has an id of its own:
    what they begin with is its base."""
    return sha256_hex(key.encode())


def short_hash(*parts: str) -> str:
    """A 16-digit hash over some strings, in their order."""
    return sha256_hex("\x00".join(parts).encode())[:16]


def record_id(base: str, n: int) -> str:
    """The id of chunk `n` of a document."""
    return f"{base}-{n}"


def is_hash(base: str) -> bool:
    """Whether a base is the hash of a key. An id of a document's own may be anything."""
    return _HASH.fullmatch(base) is not None


def id_parts(id_: str) -> tuple[str, int] | None:
    """The document's base and the chunk's number. None when the id can't be one of ours."""
    ours = _ID.fullmatch(id_)
    return None if ours is None else (ours[1], int(ours[2]))


def is_first(id_: str) -> bool:
    """Whether a record is chunk 0 of its document."""
    return id_.endswith("-0")


def document_state(
    base: str, version: str, configs: Configs, *, gave_up: bool, is_last: bool
) -> str:
    """What stands on the records of one document in one version, configuration and way to cut it,
    and on no others in any collection. So a server can be asked which records of many documents are
    up to date, and answer with their ids alone. The last chunk has a state of its own: its id tells
    how many there must be.

    Whether it `gave_up` its syntax is part of it, as that may change with the node: chunks of two
    cuts never count as one document. One that gave up is up to date only where a parse may take the
    same time, and no more memory than it then had (`GAVE_UP_AT`).
    """
    way = f"gave up after {configs.parser_seconds:g} s" if gave_up else ""
    return short_hash(base, version, configs.document, way, "last" if is_last else "")
