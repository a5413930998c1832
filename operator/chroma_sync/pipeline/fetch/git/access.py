"""What opens a repository: nothing, or a login from a Secret. A GitHub App has its own module."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final, Protocol

from chroma_sync.api.contract import SecretKey
from chroma_sync.pipeline.secrets import NamedSecret

# The user name that GitHub wants beside a token; GitLab and Gitea take any.
TOKEN_USER: Final = "x-access-token"  # noqa: S105 - a user name


@dataclass(frozen=True, slots=True)
class Login:
    """A value of the HTTP header `Authorization`, and all that must never be shown of it."""

    header: str = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)

    def hide(self, text: str) -> str:
        """The text without anything secret: a host may say back what it was sent."""
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return text


def basic_login(username: str, password: str) -> Login:
    """A login with user name and password or token. Source: RFC 7617, in UTF-8."""
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    return Login(f"Basic {encoded}", (encoded, password))


class Access(Protocol):
    """How a repository is opened. `login` may raise `StepError`."""

    def login(self) -> Login | None:
        """A login that is good for at least some minutes; None for what is public."""

    def forget(self) -> None:
        """The host does not take the login: the next one must be a new one, where there can be
        one."""

    @property
    def secret(self) -> str | None:
        """The name of the Secret behind it."""

    @property
    def is_app(self) -> bool:
        """Whether the login is one that the host itself has just issued."""


class Public:
    """No login."""

    secret = None
    is_app = False

    def login(self) -> None:
        """None is needed."""

    def forget(self) -> None:
        """There is nothing to forget."""


class TokenAccess:
    """A token, or any password, as HTTP basic authentication: what all Git hosts take."""

    is_app = False

    def __init__(self, secret: NamedSecret) -> None:
        self._secret = secret
        self.secret = secret.name

    def login(self) -> Login:
        username = self._secret.optional(SecretKey.USERNAME) or TOKEN_USER
        return basic_login(username, self._secret.header_value(SecretKey.TOKEN))

    def forget(self) -> None:
        """The Secret is read anew each time anyway."""
