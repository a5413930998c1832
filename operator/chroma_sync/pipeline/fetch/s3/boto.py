"""S3's calls by boto3, which no other module here knows.

boto3 is asked once and never asks again by itself, but where AWS says that a bucket is in another
region: then it asks there. How long a server is waited for is for `HostRetries` to say.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
import botocore.session
from botocore import exceptions as refusals
from botocore.config import Config
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from chroma_sync.api.contract import SecretKey
from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, StepError, Temporary
from chroma_sync.pipeline.fetch.s3.place import Broken, Place, Refused
from chroma_sync.pipeline.queues import StopSignal
from chroma_sync.pipeline.secrets import NamedSecret

_CONNECT_SECONDS: Final = 10
_SILENCE_SECONDS: Final = 15  # of a server that was asked
_PAGE: Final = 1_000  # keys, the most that S3 gives at once
_WORDS_MAX: Final = 300
_CODE_MAX: Final = 64
_TICK_SECONDS: Final = 0.1
_RENEW_BEFORE: Final = timedelta(minutes=5)
_SESSION_NAME: Final = "chroma-sync"
_PART_OF: Final = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+)")
_NO_KEYS: Final = (
    *(refusals.NoCredentialsError, refusals.PartialCredentialsError, refusals.ProfileNotFound),
    *(refusals.CredentialRetrievalError, refusals.SSOError, refusals.TokenRetrievalError),
    *(refusals.ConfigParseError, refusals.InvalidConfigError, refusals.LoginError),
)


class Listed(NamedTuple):
    """An object as a page of the listing has it, or as HEAD tells. `etag` is without quotes, `size`
    in bytes; `storage_class` is empty where it is the standard one."""

    key: str
    etag: str
    size: int
    storage_class: str


@dataclass(frozen=True)
class Page:
    """A part of the listing; `token` leads to the next one, if there is one."""

    objects: Sequence[Listed]
    token: str | None


@dataclass(frozen=True)
class _Keys:
    """What requests are signed with."""

    id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(repr=False)

    def hide(self, text: str) -> str:
        """The text without anything secret: a server may say back what it was sent."""
        for one in (self.secret, self.token):
            text = text.replace(one, "***") if one else text
        return text


@dataclass(frozen=True)
class _Made:
    """A client that signs with `keys`, which `own` keys have opened. From `renew_at` on it takes
    another one."""

    own: _Keys | None
    keys: _Keys | None
    renew_at: datetime | None
    client: Any

    def is_good_for(self, own: _Keys | None) -> bool:
        """Whether it is the client for these keys of now."""
        is_fresh = self.renew_at is None or datetime.now(UTC) < self.renew_at
        return own == self.own and is_fresh


class Clients:
    """Clients of boto3 for one place, safe for several threads.

    Keys come from `secret`, read anew each time; without one from where boto3 looks for them by
    itself, but for the role of the machine: that is the machine's, and nobody's who writes a
    Source. With a role these keys only open the role. `authorities` is a file of certificates."""

    def __init__(
        self,
        place: Place,
        secret: NamedSecret | None,
        authorities: Path | None,
        connections: int,
        stop: StopSignal,
    ) -> None:
        self._place = place
        self._stop = stop
        self._secret = secret
        self._authorities = authorities
        self._config = Config(
            user_agent_extra="chroma-sync",
            signature_version="s3v4",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_SILENCE_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=connections,
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            # Servers that speak the protocol need not know what is newer than it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # A variable of the shell would lead to another place than the Source names.
            ignore_configured_endpoint_urls=True,
        )
        self._lock = threading.Lock()
        self._session: Any = None
        self._made: _Made | None = None

    def s3(self) -> Any:
        """The client for the keys of now."""
        own, made = self._own_keys(), self._made
        # Without the lock, which many threads would wait for at each object.
        if made is None or not made.is_good_for(own):
            with self._turn():
                made = self._made
                if made is None or not made.is_good_for(own):
                    made = self._made = self._make(own)
        return made.client

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One thread at a time makes a client. Who waits for a silent server hears a stop."""
        while not self._lock.acquire(timeout=_TICK_SECONDS):
            self._stop.check()
        try:
            self._stop.check()
            yield
        finally:
            self._lock.release()

    def hide(self, text: str) -> str:
        """The text without anything secret."""
        keys = self._made.keys if self._made is not None else None
        if keys is None and (found := self._session.get_credentials()) is not None:
            frozen = found.get_frozen_credentials()
            keys = _Keys(frozen.access_key, frozen.secret_key, frozen.token)
        return keys.hide(text) if keys is not None else text

    def _make(self, own: _Keys | None) -> _Made:
        if self._place.role_arn is None:
            return _Made(own, own, None, self._client("s3", own))
        keys, until = self._role_keys(own)
        return _Made(own, keys, until - _RENEW_BEFORE, self._client("s3", keys))

    def _own_keys(self) -> _Keys | None:
        if self._secret is None:
            return None
        id_ = self._secret.header_value(SecretKey.ACCESS_KEY_ID)
        token = self._secret.optional(SecretKey.SESSION_TOKEN)
        if token:
            token = self._secret.header_value(SecretKey.SESSION_TOKEN)
        return _Keys(id_, self._secret.value(SecretKey.SECRET_ACCESS_KEY), token or None)

    def _role_keys(self, own: _Keys | None) -> tuple[_Keys, datetime]:
        """New keys of the role, and until when they are good."""
        external = {"ExternalId": self._place.external_id} if self._place.external_id else {}
        sts = self._client("sts", own)
        with translated(self._place, own.hide if own is not None else str):
            role = {"RoleArn": self._place.role_arn, "RoleSessionName": _SESSION_NAME, **external}
            given = sts.assume_role(**role)["Credentials"]
        keys = _Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return keys, given["Expiration"]

    def _client(self, service: str, keys: _Keys | None) -> Any:
        with translated(self._place):
            if self._session is None:
                core = botocore.session.get_session()
                core.get_component("credential_provider").remove("iam-role")
                self._session = boto3.session.Session(botocore_session=core)
            client = self._session.client(
                service,
                region_name=self._place.region,
                endpoint_url=self._place.endpoint,
                verify=None if self._authorities is None else str(self._authorities),
                aws_access_key_id=keys and keys.id,
                aws_secret_access_key=keys and keys.secret,
                aws_session_token=keys and keys.token,
                config=self._config,
            )
        client.meta.events.register("before-call.s3.HeadBucket", _ask_no_further)
        return client


def _ask_no_further(params: dict[str, Any], **_: Any) -> None:
    """boto3 asks HeadBucket for a bucket's region. If that answer leads to another region as well,
    it would ask for that one's, and so on without an end."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


class Bucket:
    """The objects of a bucket. Every method may raise `Refused` and `StepError`."""

    def __init__(self, place: Place, clients: Clients) -> None:
        self.place = place
        self._clients = clients

    def page(self, prefix: str, token: str | None = None, limit: int = _PAGE) -> Page:
        """A page of the objects whose keys begin so, in the order of the listing."""
        more = {"ContinuationToken": token} if token else {}
        asked = {"Bucket": self.place.bucket, "Prefix": prefix, "MaxKeys": limit, **more}
        client = self._clients.s3()
        with translated(self.place, self._clients.hide):
            answer = client.list_objects_v2(**asked)
        # What is no listing holds no objects either, and must not be taken for an empty bucket.
        is_truncated, next_token = answer.get("IsTruncated"), answer.get("NextContinuationToken")
        if answer.get("Name") != self.place.bucket or not isinstance(is_truncated, bool):
            raise Temporary(Reason.HOST_UNREACHABLE, f"{self.place.shown}: {_NO_LISTING}")
        if is_truncated and next_token in (None, "", token):
            raise Temporary(Reason.HOST_UNREACHABLE, f"{self.place.shown}: {_NO_NEXT}")
        found = [
            Listed(one["Key"], self._etag(one), int(one["Size"]), _storage_class(one))
            for one in answer.get("Contents", ())
        ]
        return Page(found, next_token if is_truncated else None)

    def head(self, key: str) -> Listed:
        """One object."""
        client, asked = self._clients.s3(), {"Bucket": self.place.bucket, "Key": key}
        with translated(self.place, self._clients.hide):
            try:
                answer = client.head_object(**asked)
            except refusals.ClientError:
                # An answer to HEAD has no body, and so no words: GET tells why.
                client.get_object(**asked, Range="bytes=0-0")["Body"].close()
                raise
        _, size = self._extent(answer)
        return Listed(key, self._etag(answer), size, _storage_class(answer))

    def open(self, key: str, start: int = 0, etag: str | None = None) -> Stream:
        """An object's bytes from `start` on, of this version if there is one; a server may begin at
        0 all the same."""
        asked = {"Bucket": self.place.bucket, "Key": key}
        if start and etag:
            asked |= {"Range": f"bytes={start}-", "IfMatch": f'"{etag}"'}
        client = self._clients.s3()
        with translated(self.place, self._clients.hide):
            answer = client.get_object(**asked)
        return Stream(answer["Body"], self._etag(answer), *self._extent(answer))

    def _extent(self, answer: Mapping[str, Any]) -> tuple[int, int]:
        """Where a body begins in its object, and how many bytes the object has in all: a server may
        give another part than it was asked for, or less of it."""
        part = _PART_OF.fullmatch(str(answer.get("ContentRange", "")))
        if part is not None:
            return int(part[1]), int(part[2])
        if "ContentRange" in answer or "ContentLength" not in answer:
            raise Temporary(Reason.HOST_UNREACHABLE, f"{self.place.shown}: {_NO_SIZE}")
        return 0, int(answer["ContentLength"])

    def _etag(self, answer: Mapping[str, Any]) -> str:
        """The ETag without quotes. Without any nobody could tell whether the object was changed."""
        etag = str(answer.get("ETag", "")).strip('"')
        if not etag:
            raise Temporary(Reason.HOST_UNREACHABLE, f"{self.place.shown}: {_NO_ETAG}")
        return etag


class Stream:
    """The body of an answer: the bytes of an object of so many in all (`size`), from `start` on."""

    def __init__(self, body: Any, etag: str, start: int, size: int) -> None:
        self._body = body
        self.etag = etag
        self.start = start
        self.size = size

    def read(self, limit: int) -> bytes:
        """The next bytes that come, at most so many; none at the end. Raises `Broken`."""
        try:
            # boto3's own `read` waits until there are as many: for days, on one that drips.
            data: bytes = self._body._raw_stream.read1(limit)
        except HTTPError as error:
            raise Broken(_said(error)) from None
        return data

    def close(self) -> None:
        """Give the connection up."""
        with suppress(Exception):
            self._body.close()


@contextmanager
def translated(place: Place, hide: Any = str) -> Iterator[None]:
    """What boto3 raises in the block, in our words. `hide` takes secrets out of a text."""
    try:
        yield
    except refusals.ClientError as error:
        raise _refused(error, hide) from None
    except _NO_KEYS as error:
        message = f"{place.shown}: {_MISSING.format(said=_said(error, hide))}"
        raise Misconfigured(Reason.CREDENTIALS_MISSING, message) from None
    except (refusals.ParamValidationError, refusals.InvalidRegionError) as error:
        message = f"{place.shown}: {_INVALID.format(said=_said(error, hide))}"
        raise Misconfigured(Reason.BUCKET_NOT_FOUND, message) from None
    except (refusals.BotoCoreError, ResponseParserError) as error:
        raise _no_answer(place, error, _said(error, hide)) from None


def _refused(error: refusals.ClientError, hide: Any) -> Refused:
    said: Mapping[str, Any] = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    words = " ".join(hide(str(said.get("Message", ""))).split())[:_WORDS_MAX].rstrip(".")
    code = hide(str(said.get("Code", status)))[:_CODE_MAX]
    return Refused(error.operation_name, int(status), code, words)


def _no_answer(place: Place, error: Exception, said: str) -> StepError:
    """No answer, or none of S3's."""
    if _is_certificate_error(error):
        message = f"{place.server}: {_UNTRUSTED}"
        return Misconfigured(Reason.CERTIFICATE_NOT_TRUSTED, message)
    field_ = "spec.s3.endpointUrl" if place.endpoint else "spec.s3.region"
    advice = f"Check {field_}, and that the server can be reached from here."
    return Temporary(Reason.HOST_UNREACHABLE, f"{place.server}: {said}. {advice}")


def _said(error: Exception, hide: Any = str) -> str:
    # Hidden before it is cut: half a secret is one too.
    return " ".join(hide(str(error)).split())[:_WORDS_MAX].rstrip(".")


def _is_certificate_error(error: object) -> bool:
    seen = 0
    while isinstance(error, BaseException) and seen < 10:
        if isinstance(error, ssl.SSLCertVerificationError) or (
            isinstance(error, refusals.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)
        ):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _storage_class(answer: Mapping[str, Any]) -> str:
    name = str(answer.get("StorageClass", ""))
    return "" if name == "STANDARD" else name


_NO_LISTING: Final = (
    "something answers there, but not with a listing of the bucket. Check spec.s3.endpointUrl."
)
_NO_ETAG: Final = "the server names an object without its ETag, so that a change could not be seen."
_NO_SIZE: Final = (
    "the server does not say how large an object is, so that its end could not be seen."
)
_NO_NEXT: Final = "the listing of the bucket broke off: the server does not say how it goes on."
_MISSING: Final = (
    "there are no credentials to read the bucket with ({said}). Name a Secret in "
    "spec.s3.credentialsSecretRef, or give the pods an identity by "
    "spec.jobTemplate.serviceAccountName."
)
_INVALID: Final = (
    "no bucket can be asked for in this way ({said}). Check spec.s3.bucketName and spec.s3.region."
)
_UNTRUSTED: Final = (
    "the server's certificate is not trusted here. If its authority is your own, put the "
    "authority's certificate under ca.crt into a Secret and name that in spec.s3.caSecretRef; else "
    "check spec.s3.endpointUrl."
)
