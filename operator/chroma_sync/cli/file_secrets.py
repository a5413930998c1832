"""The Secrets of a laptop: objects in the same YAML files as the Sources that name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.kinds.origin import origin_of
from chroma_sync.api.secret import Secret
from chroma_sync.api.source import Source

_KEYS_SHOWN: Final = 10
_ADVICE: Final = (
    "Put it into the files, or name its file with another -f. 'kubectl create secret generic "
    "... --dry-run=client -o yaml' writes one."
)


class FileSecrets:
    """What one Source's references lead to. `secrets`: those of all files, by namespace and
    name."""

    def __init__(self, source: Source, secrets: Mapping[tuple[str, str], Secret]) -> None:
        mounts = origin_of(source.spec).secrets()
        self._namespace = source.metadata.namespace
        self._all = secrets
        self._values = {
            use: secrets[self._namespace, mount.name].values()
            for use, mount in mounts.items()
            if mount is not None and (self._namespace, mount.name) in secrets
        }

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        return self._values.get(use, {}).get(key.value)

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        values = self._values.get(use)
        if values is None:
            return self._no_secret(name)
        if key.value in values:
            return f"The {key.value!r} in Secret {name!r} is empty. Put its value in."
        # Names alone: a value is never shown.
        keys = ", ".join(repr(k[:60]) for k in sorted(values)[:_KEYS_SHOWN])
        has = f"the keys it has: {keys}" if keys else "it has no keys at all"
        return f"Secret {name!r} has no key {key.value!r}; {has}. Add the key, or rename one."

    def _no_secret(self, name: str) -> str:
        elsewhere = [namespace for namespace, other in self._all if other == name]
        if not elsewhere:
            return f"There is no Secret {name!r} in the files. {_ADVICE}"
        return (
            f"Secret {name!r} stands in namespace {elsewhere[0]!r}, but the Source that names it "
            f"in {self._namespace!r}. Give both the same metadata.namespace."
        )
