"""Reads documents from a dictionary."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.pipeline.fetch import Means, Opened, Prefix, Ref, Scope
from chroma_sync.pipeline.secrets import token
from fourth_kind.dictionary import DictionaryRun, DictionarySource


def connect(asked: DictionarySource, run: DictionaryRun | None, means: Means) -> Dictionary:
    """The documents of a Source that a run wants."""
    prefix = run.prefix if run else ""
    name = asked.key_secret_ref.name if asked.key_secret_ref else None
    end = token(means.secrets, SecretUse.SOURCE, name, SecretKey.TOKEN) or ""
    texts = {k: (v + end).encode() for k, v in asked.documents.items() if k.startswith(prefix)}
    return Dictionary(texts, Prefix(prefix))


class Dictionary:
    """Documents in memory. Its revision is the hash of all of them."""

    lanes = 1

    def __init__(self, texts: Mapping[str, bytes], scope: Scope) -> None:
        self._texts = texts
        self._scope = scope

    def resolve(self) -> str:
        return _hash(repr(sorted(self._texts.items())).encode())

    def check(self) -> None:
        """It is there."""

    def prepare(self, revision: str) -> None:
        """There is one revision alone."""

    def refs(self) -> Generator[Ref, None, None]:
        for key, text in sorted(self._texts.items()):
            yield Ref(key, version=_hash(text), size=len(text))

    def scope(self) -> Scope:
        return self._scope

    def notes(self) -> Sequence[str]:
        return []

    def open(self, ref: Ref, known: str | None) -> Opened:
        return Opened(ref, self._texts[ref.key])

    def close(self) -> None:
        """Nothing to give up."""


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
