"""Where a bucket is and how it is opened, and what its server refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A bucket. `endpoint` is its server's address, None for AWS; `secret` names the Secret with
    its keys, None where they come with the pod or with the laptop's AWS settings."""

    bucket: str
    region: str
    endpoint: str | None = None
    secret: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    @property
    def shown(self) -> str:
        """The bucket, for people."""
        return f"{(self.endpoint or 's3:/').rstrip('/')}/{self.bucket}"

    @property
    def server(self) -> str:
        """Its server, for people."""
        return self.endpoint or f"S3 in {self.region}"


class Refused(Exception):
    """A server's answer that is no success. `call` is the API's name of what it was asked, `code`
    what it says in the words of the protocol: where it says nothing, the HTTP status as text.
    `words` is what it says for people, without any secret."""

    def __init__(self, call: str, status: int, code: str, words: str) -> None:
        super().__init__(f"{call}: {status} {code}")
        self.call = call
        self.status = status
        self.code = code
        self.words = words


class Broken(Exception):
    """A body that ended before its end. `str` says how."""
