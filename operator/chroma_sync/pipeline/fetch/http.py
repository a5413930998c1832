"""Small questions to a Git host over HTTP: no redirect is followed, every answer is bounded."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from chroma_sync.api.reasons import Reason
from chroma_sync.pipeline.errors import Misconfigured, Temporary

_USER_AGENT: Final = "chroma-sync"
_SECONDS: Final = 20.0  # for a whole answer
_BODY_MAX: Final = 262_144


@dataclass(frozen=True)
class Answer:
    """What a host said. Header names are in lower case; `body` is cut at 256 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_redirect(self) -> bool:
        """Whether the host sends us elsewhere."""
        return self.status in (301, 302, 303, 307, 308)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Trust:
    """By which certificates a host is known: those of a file (PEM) and no others, or the system's.

    Raises `Misconfigured` when the file holds none; `secret` names where they come from."""

    def __init__(self, ca_file: Path | None = None, secret: str = "") -> None:
        self.ca_file = ca_file
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError:
            message = f"The ca.crt in Secret {secret!r} holds no certificate in PEM form."
            raise Misconfigured(Reason.CERTIFICATE_NOT_TRUSTED, message) from None
        # As strict as git is, and no stricter: since Python 3.13 certificates without some
        # extensions, which small authorities leave out, would be refused here and taken there.
        self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Answer:
        """Ask once. `body` is sent as JSON. Raises `StepError` when there is no answer at all."""
        try:
            with (
                httpx.Client(verify=self._context, timeout=_SECONDS) as client,
                client.stream(
                    method, url, headers={"User-Agent": _USER_AGENT, **headers}, json=body
                ) as response,
            ):
                read = b"".join(_bounded(response))[:_BODY_MAX]
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, names, read)
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            if _is_certificate_error(error):
                raise Misconfigured(Reason.CERTIFICATE_NOT_TRUSTED, _untrusted(url)) from None
            said = str(error) or type(error).__name__
            advice = "Check spec.github.baseUrl, and that the host can be reached from here."
            message = f"{url}: {said[:300].rstrip('.')}. {advice}"
            raise Temporary(Reason.HOST_UNREACHABLE, message) from None


def _bounded(response: httpx.Response) -> Iterator[bytes]:
    """The body, as far as it comes within bounds of size and time."""
    give_up_at = time.monotonic() + _SECONDS
    size = 0
    for part in response.iter_bytes():
        yield part
        size += len(part)
        if size >= _BODY_MAX or time.monotonic() > give_up_at:
            return


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _untrusted(url: str) -> str:
    return (
        f"{url}: the host's certificate is not trusted here. If its authority is your own, put the "
        "authority's certificate under ca.crt into a Secret and name that in "
        "spec.github.caSecretRef; else check spec.github.baseUrl."
    )
