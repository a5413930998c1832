"""What a pod may see of Secrets: what each is for, and by which keys."""

from __future__ import annotations

from enum import StrEnum


class SecretUse(StrEnum):
    """What a mounted Secret is for; also the name of its folder under `SECRETS`."""

    CHROMA = "chroma"
    TEI = "tei"
    SOURCE = "source"  # what opens the place where the documents are
    SOURCE_CA = "source-ca"


class SecretKey(StrEnum):
    """The keys of Secrets that a pod may see; none other is ever mounted."""

    TOKEN = "token"  # noqa: S105 - the name of a key
    # The token of a server that the installation names. A key of its own, which no field of a
    # Source leads to: so nobody can have it sent to a server that he names.
    INSTALLATION_TOKEN = "installationToken"  # noqa: S105 - the name of a key
    USERNAME = "username"
    PRIVATE_KEY = "privateKey"
    CA = "ca.crt"
    ACCESS_KEY_ID = "accessKeyId"
    SECRET_ACCESS_KEY = "secretAccessKey"  # noqa: S105 - the name of a key
    SESSION_TOKEN = "sessionToken"  # noqa: S105 - the name of a key
