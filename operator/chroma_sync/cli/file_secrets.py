"""The Secrets of a laptop: objects in the same YAML files as the Sources that name them."""

from __future__ import annotations

from collections.abc import Mapping

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.meta import secret_name
from chroma_sync.api.secret import Secret
from chroma_sync.api.source import Source


class FileSecrets:
    """What one Source's references lead to. `secrets`: those of all files, by namespace and
    name."""

    advice = (
        "Put it into the files, or name its file with another -f. 'kubectl create secret generic "
        "... --dry-run=client -o yaml' writes one."
    )

    def __init__(self, source: Source, secrets: Mapping[tuple[str, str], Secret]) -> None:
        github = source.spec.github
        names = {
            SecretUse.GIT: secret_name(github.credentials_secret_ref) if github else None,
            SecretUse.GIT_CA: secret_name(github.ca_secret_ref) if github else None,
        }
        namespace = source.metadata.namespace
        self._values = {
            use: secrets[namespace, name].values()
            for use, name in names.items()
            if name is not None and (namespace, name) in secrets
        }

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        return self._values.get(use, {}).get(key.value)
