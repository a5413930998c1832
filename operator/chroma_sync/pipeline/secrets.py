"""What a step may see of Secrets: a few fixed keys. What opens a source is read anew at each
use, so that a Secret that is renewed in mid-run is used from then on."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final, Protocol

from chroma_sync.api.contract import SecretKey, SecretUse
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured


class Secrets(Protocol):
    """Where Secrets are read: mounted files in a pod, objects in YAML on a laptop."""

    def read(self, use: SecretUse, key: SecretKey) -> bytes | None:
        """The value of a key, or None when the Secret or the key is not there."""

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        """Why a key of the Secret of that name has no value, and what to do."""


class _NoSecrets:
    def read(self, use: SecretUse, key: SecretKey) -> None:
        """There is none."""

    def missing(self, use: SecretUse, name: str, key: SecretKey) -> str:
        return f"There is no Secret {name!r}: there are no Secrets here."


_NO_TEXT: Final = {
    SecretKey.TOKEN: Reason.CREDENTIALS_REJECTED,
    SecretKey.INSTALLATION_TOKEN: Reason.CREDENTIALS_REJECTED,
    SecretKey.USERNAME: Reason.CREDENTIALS_REJECTED,
    SecretKey.PRIVATE_KEY: Reason.APP_KEY_INVALID,
    SecretKey.CA: Reason.CERTIFICATE_NOT_TRUSTED,
    SecretKey.ACCESS_KEY_ID: Reason.CREDENTIALS_REJECTED,
    SecretKey.SECRET_ACCESS_KEY: Reason.CREDENTIALS_REJECTED,
    SecretKey.SESSION_TOKEN: Reason.CREDENTIALS_REJECTED,
}

_CLAIMS_MAX: Final = 65_536  # characters; no server takes a header of that size

NO_SECRETS: Final[Secrets] = _NoSecrets()


@dataclass(frozen=True)
class NamedSecret:
    """One Secret, by its name and what it is for."""

    secrets: Secrets
    use: SecretUse
    name: str

    def value(self, key: SecretKey) -> str:
        """A key's text, without blanks around it. Raises `Misconfigured` when it is not there."""
        value = self.optional(key)
        if not value:
            message = self.secrets.missing(self.use, self.name, key)
            raise Misconfigured(Reason.SECRET_NOT_FOUND, message)
        return value

    def optional(self, key: SecretKey) -> str:
        """A key's text, without blanks around it; empty when it is not there. Raises
        `Misconfigured` when it is no text, or a token of Kubernetes."""
        try:
            value = (self.secrets.read(self.use, key) or b"").decode().strip()
        except UnicodeDecodeError:
            advice = "Keys and certificates go in PEM form, tokens as the server gave them."
            message = f"The {key.value} in Secret {self.name!r} is not text. {advice}"
            raise Misconfigured(_NO_TEXT[key], message) from None
        if is_service_account_token(value):
            message = (
                f"The {key.value} in Secret {self.name!r} is the token of a Kubernetes service "
                "account. It is sent to nobody. Name a Secret that was made for this server."
            )
            raise Misconfigured(Reason.SERVICE_ACCOUNT_TOKEN, message)
        return value

    def header_value(self, key: SecretKey) -> str:
        """A key's text that goes into an HTTP header. Raises `Misconfigured`."""
        return for_header(self.value(key), f"The {key.value} in Secret {self.name!r}")


def for_header(value: str, what: str) -> str:
    """A value that goes into an HTTP header; `what` names it. Raises `Misconfigured` when it can't:
    said here, for an HTTP client would quote it."""
    if not (value.isascii() and value.isprintable()):
        message = (
            f"{what} holds characters that no HTTP header may hold. Put in what the server gave "
            "you, and nothing else."
        )
        raise Misconfigured(Reason.CREDENTIALS_REJECTED, message)
    return value


def token(secrets: Secrets, use: SecretUse, name: str | None, key: SecretKey) -> str | None:
    """The token for a server that may want none (`name` is None). Raises `Misconfigured`."""
    return None if name is None else NamedSecret(secrets, use, name).header_value(key)


def is_service_account_token(value: str) -> bool:
    """Whether a text is a JSON Web Token of a Kubernetes service account, whoever signed it.
    Source: RFC 7519, and the claims that Kubernetes documents for bound and Secret-based tokens."""
    parts = value.removeprefix("Bearer ").strip().split(".")
    if len(parts) != 3 or len(parts[1]) > _CLAIMS_MAX:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return False
    if not isinstance(claims, dict):
        return False
    names = [str(name) for name in claims]
    subject = str(claims.get("sub", ""))
    return subject.startswith("system:serviceaccount:") or any(
        name.partition("/")[0] == "kubernetes.io" for name in names
    )
